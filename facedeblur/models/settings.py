"""What the networks and losses are made of, as plain numbers: importable, and checked, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from facedeblur.plugins import as_plugins
from facedeblur.settings import ADDED, check, check_count, is_count

NETWORK_PLUGINS = ("generator", "pair", "first_step", "discriminator")
# Seven stride-2 layers a side: Table 3 closes only on sides that are multiples of this.
SIDE_MULTIPLE = 128

CHOICES = {
    "generator": ("table3", "light", "naf"),
    "norm": ("batch", "none"),
    "norm_order": ("conv_relu_bn", "conv_bn_relu"),
    "shortcut": ("free", "projection"),
    "hourglass_head": ("pixelshuffle", "bilinear"),
    "projection_on": ("generator", "discriminator"),
    "residual_on": ("blurry", "first_step"),
}


@dataclass(frozen=True)
class ModelSettings:
    """The networks of one run; the defaults are the paper's (Table 3, section 5.1).

    Attributes:
        image_size: side of the square images in pixels, a multiple of 128.
        generator: encoder and decoder of Table 3, or the "light" pair of models/light.py or the "naf" pair of
            models/naf_pair.py, to which norm, norm_order, shortcut, unet_skips, keep and shared_running do not apply.
        base_width: channels of Conv. 1; every layer of Table 3 scales by base_width / 64.
        light_width, naf_width: channels of the light and of the NAF pair at half the resolution.
        norm, norm_order: "batch" or "none"; the paper's conv-ReLU-BN or pix2pix's conv-BN-ReLU.
        shortcut: residual connections "free" of parameters ("without filtering"), or with a 1x1 "projection".
        unet_skips: pairs (encoder layer, decoder layer whose input it joins), such as ("E2", "F7").
        keep: probability that a unit of F-Conv. 1 ... 7 is kept by dropout.
        shared_running: both streams feed the tied decoder's running statistics (RoCGAN); default: each its own.
        global_residual: the decoder's output is added to the stream's input image, the blurry one, or with
            `residual_on` "first_step" to what the first step made of it.
        identity, two_step: train the second stream, G_s; condition G_bl on the hourglass's output.
        hourglass_features, hourglass_stacks, hourglass_head, hourglass_residual: channels of the hourglass, number of
            stacks (0: no hourglass), output head, and a skip from its input image.
        half_size: settings of a network for images of half the size, which is the first step in the hourglass's place.
        discriminator_width: channels of its first layer; None: base_width.
        conditional: the discriminator also sees the blurry image.
        projection_on: which player minimises the projection loss; the paper's generator, or RoCGAN's discriminator.
        plugins: networks of the user's own in place of these, by their roles: see `facedeblur.models.plugged`.

    Raises:
        ValueError: naming the field.

    >>> ModelSettings(image_size=128, hourglass_stacks=0).conditioned
    False
    """

    image_size: int = 256
    generator: str = "table3"
    base_width: int = 64
    light_width: int = 48
    naf_width: int = 32
    norm: str = "batch"
    norm_order: str = "conv_relu_bn"
    shortcut: str = "free"
    unet_skips: tuple[tuple[str, str], ...] = (("E2", "F7"), ("E4", "F5"))
    keep: tuple[float, ...] = (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0)
    shared_running: bool = False
    global_residual: bool = False
    identity: bool = True
    two_step: bool = True
    hourglass_features: int = 256
    hourglass_stacks: int = 8
    hourglass_head: str = "pixelshuffle"
    hourglass_residual: bool = False
    discriminator_width: int | None = None
    conditional: bool = True
    projection_on: str = "generator"
    plugins: Mapping[str, object] = field(default_factory=dict, hash=False, metadata=ADDED)
    residual_on: str = field(default="blurry", metadata=ADDED)
    half_size: Mapping[str, object] = field(default_factory=dict, hash=False, metadata=ADDED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plugins", as_plugins(self.plugins, "plugins", NETWORK_PLUGINS))
        if "generator" in self.plugins and ("pair" in self.plugins or self.identity):
            raise ValueError(
                "plugins.generator: a whole network has no decoder to share with the identity stream; set "
                "model.identity=false, or give its halves as plugins.pair"
            )
        # YAML and JSON know lists only.
        object.__setattr__(self, "unet_skips", tuple(tuple(pair) for pair in self.unet_skips))
        object.__setattr__(self, "keep", tuple(float(p) for p in self.keep))
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            check(value in allowed, name, f"one of {', '.join(allowed)}", value)
        size = self.image_size
        check(is_count(size, SIDE_MULTIPLE) and size % SIDE_MULTIPLE == 0, "image_size", "a multiple of 128", size)
        check_count("base_width", self.base_width)
        check_count("light_width", self.light_width)
        check_count("naf_width", self.naf_width)
        width = self.discriminator_width
        check_count("discriminator_width", width, 1, None)
        features, stacks = self.hourglass_features, self.hourglass_stacks
        check(is_count(features, 2) and features % 2 == 0, "hourglass_features", "an even number", features)
        check_count("hourglass_stacks", stacks, 0)
        check(len(self.keep) == 7 and all(0 < p <= 1 for p in self.keep), "keep", "7 numbers in (0, 1]", self.keep)
        if self.half_size:
            self._check_half_size()
        elif self.residual_on == "first_step" and not self.conditioned:
            raise ValueError("residual_on: first_step needs two_step and a first step to add to")
        joined = [decoder for _, decoder in self.unet_skips]
        for pair in self.unet_skips:
            check(pair in UNET_SKIPS, "unet_skips", f"pairs of {', '.join('-'.join(p) for p in UNET_SKIPS)}", pair)
        check(len(set(joined)) == len(joined), "unet_skips", "no pair twice", self.unet_skips)

    @property
    def conditioned(self) -> bool:
        """Whether G_bl sees 6 channels: the blurry image and the first step's output."""
        return self.two_step and (self.hourglass_stacks > 0 or bool(self.half_size))

    def _check_half_size(self) -> None:
        try:
            smaller = half_size_settings(self)
        except (TypeError, ValueError) as error:
            raise ValueError(f"half_size.{error}") from None
        check(self.two_step, "half_size", "left out without two_step", "the settings of a first step")
        side = self.image_size // 2
        if (found := smaller.image_size) != side:
            remedy = f"it is the first step of a network with image_size={2 * found}"
            raise ValueError(f"half_size.image_size: must be {side}, half of image_size, got {found}; {remedy}")
        check(not smaller.half_size, "half_size.half_size", "empty", "a third step")
        check(not smaller.plugins, "half_size.plugins", "empty", "networks of the user's own")


def half_size_settings(settings: ModelSettings) -> ModelSettings:
    """The settings of `settings.half_size`, a network at test time: without an identity stream."""
    return ModelSettings(**{**settings.half_size, "identity": False})


# The pairs at equal resolution: E_k and the input of F_(9-k). E8 is the code itself.
UNET_SKIPS = tuple((f"E{k}", f"F{9 - k}") for k in range(1, 8))


CONTENT_LOSSES = ("l1", "charbonnier", "log_mse")
# what a loss term of the user's own may ask for by name
TERM_INPUTS = (
    "output",
    "sharp",
    "blurry",
    "reconstruction",
    "fake_logits",
    "fake_features",
    "real_features",
)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of Eq. 3 and 6, those of section 5.1; a weight of 0 leaves the term out.

    Attributes:
        content_image, content_gradient: lambda_ci and lambda_cg of Eq. 3.
        projection, reconstruction: lambda_p and lambda_r of Eq. 6.
        adversarial: of Eq. 2's part.
        fourier: of the L1 difference of the images' spectra, which is not the paper's; .05 to .1 of content_image is
            usual.
        content: the function of the first term of Eq. 3: "l1", the paper's, "charbonnier" or "log_mse".
        terms: name -> a term of the user's own, {_target_, weight, inputs, options}: called with `inputs`, by default
            the output and the sharp image, it returns one number for the batch.

    Raises:
        ValueError: naming the field.

    >>> LossWeights(projection=0).content_image
    100.0
    """

    content_image: float = 100.0
    content_gradient: float = 100.0
    projection: float = 8.0
    reconstruction: float = 100.0
    adversarial: float = 1.0
    fourier: float = field(default=0.0, metadata=ADDED)
    content: str = field(default="l1", metadata=ADDED)
    terms: Mapping[str, object] = field(default_factory=dict, hash=False, metadata=ADDED)

    def __post_init__(self) -> None:
        check(self.content in CONTENT_LOSSES, "content", f"one of {', '.join(CONTENT_LOSSES)}", self.content)
        own = [each.name for each in fields(self) if each.name not in ("content", "terms")]
        for name in own:
            value = getattr(self, name)
            check(math.isfinite(value) and value >= 0, name, "a finite number of at least 0", value)
        object.__setattr__(self, "terms", as_plugins(self.terms, "terms", refused=(*own, "total")))
        for name, term in self.terms.items():
            weight, inputs = term.get("weight", 1.0), term.get("inputs", TERM_INPUTS[:2])
            valid = isinstance(weight, (int, float)) and not isinstance(weight, bool) and math.isfinite(weight)
            check(valid and weight >= 0, f"terms.{name}.weight", "a finite number of at least 0", weight)
            known = isinstance(inputs, (list, tuple)) and inputs and set(inputs) <= set(TERM_INPUTS)
            check(bool(known), f"terms.{name}.inputs", f"a list of {', '.join(TERM_INPUTS)}", inputs)
