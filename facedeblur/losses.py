"""Eq. 2-6: every term a mean over images in [-1, 1], logits or features, computed in float32.

>>> import torch
>>> from facedeblur.losses import content_gradient_loss, content_image_loss
>>> sharp = torch.zeros(1, 3, 8, 8)
>>> content_image_loss(sharp + 0.5, sharp).item(), content_gradient_loss(sharp + 0.5, sharp).item()
(0.5, 0.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.models.settings import LossWeights
from facedeblur.plugins import TARGET, PluginError, function_of

__all__ = [
    "DiscriminatorLoss",
    "GeneratorLoss",
    "LossWeights",
    "adversarial_loss",
    "content_gradient_loss",
    "content_image_loss",
    "discriminator_loss",
    "projection_loss",
    "reconstruction_loss",
]


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """What G_bl minimises of Eq. 2, non-saturating: -log D(fake), the mean over images and patches.

    Args:
        fake_logits: (B, 1, h, w), the discriminator's for restored images.

    Returns:
        () of at least 0.

    >>> round(adversarial_loss(torch.zeros(2, 1, 4, 4)).item(), 4)  # -log(1/2)
    0.6931
    """
    return F.softplus(-_full(fake_logits)).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What D minimises of Eq. 2: -log D(real) - log(1 - D(fake)), halved as in pix2pix to slow D down.

    Args:
        real_logits, fake_logits: (B, 1, h, w), the discriminator's for sharp and for restored images.

    Returns:
        () of at least 0.

    >>> round(discriminator_loss(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)).item(), 4)  # -log(1/2)
    0.6931
    """
    return 0.5 * (F.softplus(-_full(real_logits)).mean() + F.softplus(_full(fake_logits)).mean())


def content_image_loss(output: Tensor, sharp: Tensor) -> Tensor:
    """First term of Eq. 3, unweighted: mean absolute difference of two images.

    Args:
        output, sharp: (B, 3, H, W) in [-1, 1].

    Returns:
        () in [0, 2].

    Raises:
        ValueError: the shapes differ.
    """
    return _difference(output, sharp).abs().mean()


def content_gradient_loss(output: Tensor, sharp: Tensor) -> Tensor:
    """Second term of Eq. 3, unweighted: mean absolute difference of the images' forward differences along x and y.

    Args:
        output, sharp: (B, 3, H, W) in [-1, 1].

    Returns:
        () in [0, 4]: half of the sum of both directions.

    Raises:
        ValueError: the shapes differ.

    >>> stripes = torch.tensor([-1.0, 1.0]).repeat(1, 3, 4, 2)  # vertical ones of one pixel
    >>> content_gradient_loss(stripes, torch.zeros(1, 3, 4, 4)).item()
    1.0
    """
    # Differentiation is linear: the difference of the gradients is the gradient of the difference.
    difference = _difference(output, sharp)
    return 0.5 * (difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean())


def charbonnier_loss(output: Tensor, sharp: Tensor, epsilon: float = 1e-3) -> Tensor:
    """A smooth L1 norm of the difference of two images (Lai et al. 2017): mean of sqrt(d ** 2 + epsilon ** 2)."""
    return (_difference(output, sharp).square() + epsilon**2).sqrt().mean()


def log_mse_loss(output: Tensor, sharp: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Mean over images of log10 of their mean squared error in [-1, 1]: the PSNR, but for sign and scale.

    Its gradient is the larger the smaller the error; `epsilon` bounds it where there is hardly any (Chen et al. 2022).
    """
    return (_difference(output, sharp).square().mean((1, 2, 3)) + epsilon).log10().mean()


def fourier_loss(output: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of the images' spectra, real and imaginary parts alike (Cho et al. 2021), in float32."""
    spectrum = torch.view_as_real(torch.fft.rfft2(_difference(output, sharp).float()))
    return spectrum.abs().mean()


CONTENT = {"l1": content_image_loss, "charbonnier": charbonnier_loss, "log_mse": log_mse_loss}


def projection_loss(fake_features: Tensor, real_features: Tensor, detach_real: bool = True) -> Tensor:
    """Eq. 4: mean absolute difference of D's penultimate features.

    Args:
        fake_features, real_features: (B, C, h, w) of restored and of sharp images.
        detach_real: the real ones are the goal and get no gradient.

    Returns:
        () of at least 0.

    Raises:
        ValueError: the shapes differ.

    >>> projection_loss(torch.ones(1, 8, 4, 4), torch.zeros(1, 8, 4, 4)).item()
    1.0
    """
    return _difference(fake_features, real_features.detach() if detach_real else real_features).abs().mean()


def reconstruction_loss(reconstruction: Tensor, sharp: Tensor) -> Tensor:
    """Eq. 5: mean absolute difference of the sharp image and what G_s makes of it.

    Args:
        reconstruction, sharp: (B, 3, H, W) in [-1, 1].

    Returns:
        () in [0, 2].

    Raises:
        ValueError: the shapes differ.

    >>> reconstruction_loss(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)).item()
    1.0
    """
    return _difference(reconstruction, sharp).abs().mean()


class GeneratorLoss:
    """Eq. 6: everything G_bl and G_s minimise together.

    Calling it gives the terms by the names of LossWeights, unweighted and detached for the logs, and under "total"
    their weighted sum, which carries the gradient. Terms without inputs or of weight 0 are left out. ValueError where
    two shapes differ.

    Args:
        weights: of the terms; None: those of section 5.1.

    >>> sharp = torch.zeros(1, 3, 8, 8)
    >>> terms = GeneratorLoss()(sharp + 0.5, sharp)
    >>> sorted(terms), terms["content_image"].item()
    (['content_gradient', 'content_image', 'total'], 0.5)
    """

    def __init__(self, weights: LossWeights | None = None) -> None:
        self.weights = weights if weights is not None else LossWeights()
        self.own_terms = {name: OwnTerm(name, term) for name, term in self.weights.terms.items()}

    def __call__(
        self,
        output: Tensor,
        sharp: Tensor,
        *,
        blurry: Tensor | None = None,
        fake_logits: Tensor | None = None,
        fake_features: Tensor | None = None,
        real_features: Tensor | None = None,
        reconstruction: Tensor | None = None,
    ) -> dict[str, Tensor]:
        inputs = {
            "content_image": (CONTENT[self.weights.content], (output, sharp)),
            "content_gradient": (content_gradient_loss, (output, sharp)),
            "fourier": (fourier_loss, (output, sharp)),
            "projection": (projection_loss, (fake_features, real_features)),
            "reconstruction": (reconstruction_loss, (reconstruction, sharp)),
            "adversarial": (adversarial_loss, (fake_logits,)),
        }
        given = {
            "output": output,
            "sharp": sharp,
            "blurry": blurry,
            "reconstruction": reconstruction,
            "fake_logits": fake_logits,
            "fake_features": fake_features,
            "real_features": real_features,
        }
        weights = {name: getattr(self.weights, name) for name in inputs}
        for name, own in self.own_terms.items():
            inputs[name] = own, tuple(given[wanted] for wanted in own.inputs)
            weights[name] = own.weight
        terms = {
            name: term(*tensors)
            for name, (term, tensors) in inputs.items()
            if weights[name] > 0 and all(tensor is not None for tensor in tensors)
        }
        return _weigh(terms, weights)


class OwnTerm:
    """A loss term of the user's own, behind the one number that Eq. 6 adds up.

    Raises:
        PluginError: a term that cannot be made, and at its first call for one that does not give a finite number for a
            batch.
    """

    def __init__(self, name: str, plugin: Mapping[str, Any]) -> None:
        self.key, self.target = f"loss.terms.{name}", plugin[TARGET]
        self.weight = float(plugin.get("weight", 1.0))
        self.inputs = tuple(plugin.get("inputs", ("output", "sharp")))
        self.term = function_of(plugin, self.key, ignored=("weight", "inputs"))
        self.tried = False

    def __call__(self, *tensors: Tensor) -> Tensor:
        value = self.term(*map(_full, tensors))
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise PluginError(f"{self.key}: {self.target} must give one number for a batch, a tensor (), got {got}")
        if not self.tried and not torch.isfinite(value).all():  # a later NaN stops the run as any loss's does
            raise PluginError(f"{self.key}: {self.target} gives {value.item()} for its first batch")
        self.tried = True
        return value.reshape(())


class DiscriminatorLoss:
    """What D minimises: its side of Eq. 2 and, when features are given, the projection loss as RoCGAN places it.

    Calling it gives a dictionary like GeneratorLoss's, with "adversarial" (weight 1), "projection" and "total".

    Args:
        weights: `projection` is read; None: that of section 5.1.

    >>> logits = torch.zeros(2, 1, 4, 4)
    >>> sorted(DiscriminatorLoss()(logits, logits))
    ['adversarial', 'total']
    """

    def __init__(self, weights: LossWeights | None = None) -> None:
        self.weights = weights if weights is not None else LossWeights()

    def __call__(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        *,
        real_features: Tensor | None = None,
        fake_features: Tensor | None = None,
    ) -> dict[str, Tensor]:
        terms = {"adversarial": discriminator_loss(real_logits, fake_logits)}
        if real_features is not None and fake_features is not None:
            terms["projection"] = projection_loss(fake_features, real_features, detach_real=False)
        return _weigh(terms, {"adversarial": 1.0, "projection": self.weights.projection})


def _weigh(terms: dict[str, Tensor], weights: dict[str, float]) -> dict[str, Tensor]:
    total = sum(weights[name] * term for name, term in terms.items())
    return {**{name: term.detach() for name, term in terms.items()}, "total": total}


def _difference(first: Tensor, second: Tensor) -> Tensor:
    # Broadcasting would turn a mistake into a plausible number.
    if first.shape != second.shape:
        raise ValueError(f"cannot compare shapes {tuple(first.shape)} and {tuple(second.shape)}")
    return _full(first) - _full(second)


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
