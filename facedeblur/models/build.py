"""From settings to networks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from facedeblur.models import plugged
from facedeblur.models.decoder import Decoder
from facedeblur.models.discriminator import Discriminator
from facedeblur.models.encoder import Encoder
from facedeblur.models.generator import DeblurGenerator, DecoderLike, EncoderLike, IdentityStream, TwoStep
from facedeblur.models.half_size import HalfSizeStep
from facedeblur.models.hourglass import StackedHourglass
from facedeblur.models.light import LightDecoder, LightEncoder
from facedeblur.models.naf_pair import NAFDecoder, NAFEncoder
from facedeblur.models.settings import ModelSettings, half_size_settings


class Networks(nn.Module):
    """All networks of the adversarial stage; without a plug-in its entry is None. Images are in [-1, 1].

    Attributes:
        generator: G_bl.
        discriminator: D.
        identity: G_s, with `identity.decoder is generator.decoder`.
        two_step: the frozen first step.
    """

    def __init__(
        self,
        generator: DeblurGenerator,
        discriminator: Discriminator,
        identity: IdentityStream | None = None,
        two_step: TwoStep | None = None,
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.identity, self.two_step = identity, two_step

    @property
    def hourglass(self) -> nn.Module | None:
        """The frozen first step itself."""
        return self.two_step.hourglass if self.two_step is not None else None

    def condition(self, blurry: Tensor) -> Tensor:
        """Return G_bl's input for the blurry image (B, 3, H, W): 6 channels with the first step's output, 3 without."""
        return self.two_step(blurry) if self.two_step is not None else blurry

    def generator_parameters(self) -> list[nn.Parameter]:
        """Return what the generator's optimizer trains: both encoders and, once, the tied decoder."""
        streams = [self.generator] if self.identity is None else [self.generator, self.identity]
        return list(nn.ModuleList(streams).parameters())


def build_hourglass(settings: ModelSettings) -> StackedHourglass:
    """Build the first step, to be trained on its own.

    Args:
        settings: of which `hourglass_*` are read.

    Returns:
        Images (B, 3, H, W) in [-1, 1] -> a list of restored ones, the last the best.

    Raises:
        ValueError: the settings have no stacks.
    """
    if settings.half_size:
        raise ValueError("half_size: is a trained network; there is no hourglass to train")
    if settings.hourglass_stacks == 0:
        raise ValueError("hourglass_stacks: must be at least 1 to build the hourglass, got 0")
    if "first_step" in settings.plugins:
        return plugged.first_step(settings)
    return StackedHourglass(
        settings.hourglass_features, settings.hourglass_stacks, settings.hourglass_head, settings.hourglass_residual
    )


def build_first_step(settings: ModelSettings) -> nn.Module:
    """Build the hourglass, or the network of half the size in its place, to load weights into."""
    if not settings.half_size:
        return build_hourglass(settings)
    smaller = build_networks(half_size_settings(settings))
    own = [] if smaller.two_step is None else [smaller.two_step]
    return HalfSizeStep(nn.Sequential(*own, smaller.generator))


def build_networks(settings: ModelSettings, hourglass: nn.Module | None = None) -> Networks:
    """Build the networks of the adversarial stage.

    Args:
        settings: of all of them.
        hourglass: the trained first step; None: a fresh one, to load weights into.

    Returns:
        The networks, in training mode.

    Raises:
        ValueError: an hourglass is given to settings that do not condition on one.

    >>> import torch
    >>> networks = build_networks(ModelSettings(image_size=128, base_width=4, hourglass_stacks=0)).eval()
    >>> networks.generator(networks.condition(torch.zeros(1, 3, 128, 128))).shape
    torch.Size([1, 3, 128, 128])
    """
    if hourglass is not None and not settings.conditioned:
        raise ValueError("two_step: must be true, with hourglass_stacks of at least 1, to use the given hourglass")
    channels = 6 if settings.conditioned else 3
    identity = two_step = None
    if "generator" in settings.plugins:
        generator = plugged.generator(settings, channels)
    else:
        encoder, decoder = plugged.pair(settings) if "pair" in settings.plugins else _pair(settings)
        generator = DeblurGenerator(encoder(channels), decoder, settings.global_residual, settings.residual_on)
    if settings.identity:
        identity = IdentityStream(encoder(3), decoder, settings.global_residual)
    if settings.conditioned:
        two_step = TwoStep(hourglass if hourglass is not None else build_first_step(settings))
    width = settings.base_width if settings.discriminator_width is None else settings.discriminator_width
    if "discriminator" in settings.plugins:
        discriminator = plugged.discriminator(settings)
    else:
        discriminator = Discriminator(width, settings.conditional)
    return Networks(generator, discriminator, identity, two_step)


def _pair(settings: ModelSettings) -> tuple[Callable[[int], EncoderLike], DecoderLike]:
    """The encoder, to be made for a number of input channels, and the decoder that all streams share."""
    if settings.generator == "light":
        return (lambda channels: LightEncoder(channels, settings.light_width)), LightDecoder(settings.light_width)
    if settings.generator == "naf":
        return (lambda channels: NAFEncoder(channels, settings.naf_width)), NAFDecoder(settings.naf_width)
    layout = {
        "width": settings.base_width,
        "norm": settings.norm,
        "norm_order": settings.norm_order,
        "shortcut": settings.shortcut,
    }
    decoder = Decoder(
        unet_skips=settings.unet_skips, keep=settings.keep, shared_running=settings.shared_running, **layout
    )
    return (lambda channels: Encoder(in_channels=channels, **layout)), decoder
