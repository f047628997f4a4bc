"""PSNR and SSIM of image batches, one value for each image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facedeblur.metrics.strength import PSNR_CAP

# ITU-R BT.601, as OpenCV's RGB2GRAY and most published code.
LUMINANCE = (0.299, 0.587, 0.114)

SSIM_VARIANTS = ("luminance", "channels")
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2


def quantise(images: Tensor) -> Tensor:
    """Return images in [0, 1] as an 8-bit file would hold them: clipped, rounded to multiples of 1/255."""
    return (images.clamp(0, 1) * 255).round() / 255


def luminance(images: Tensor) -> Tensor:
    """RGB images (B, 3, H, W) -> their luminance (B, 1, H, W) by the weights of BT.601."""
    weights = torch.tensor(LUMINANCE, dtype=images.dtype, device=images.device)
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)


def psnr(images: Tensor, references: Tensor, quantised: bool = True) -> Tensor:
    """Peak signal-to-noise ratio in dB over all pixels and channels of each image, at most 60.

    Args:
        images, references: (B, C, H, W) in [0, 1].
        quantised: round both to 8 bits first, as a file would.

    Returns:
        (B,) float32, in dB.

    Raises:
        ValueError: the shapes differ.

    >>> black = torch.zeros(2, 3, 16, 16)
    >>> psnr(black, black + torch.tensor([0.0, 0.1])[:, None, None, None], quantised=False).tolist()
    [60.0, 20.0]
    """
    images, references = _prepare(images, references, quantised)
    error = (images - references).square().mean(dim=(1, 2, 3))
    return (-10 * error.log10()).clamp(max=PSNR_CAP).float()


def ssim(images: Tensor, references: Tensor, quantised: bool = True, variant: str = "luminance") -> Tensor:
    """Structural similarity (Wang et al. 2004) of each image, its mean where the window fits.

    A Gaussian window of 11x11 pixels and sigma 1.5, K1 = .01, K2 = .03, population covariance, data range 1, as
    scikit-image with gaussian_weights=True, use_sample_covariance=False.

    Args:
        images, references: (B, 3, H, W), or (B, 1, H, W) of luminance, in [0, 1], sides of at least 11 pixels.
        quantised: round both to 8 bits first, as a file would.
        variant: "luminance", as the original, or "channels", the mean over the channels.

    Returns:
        (B,) float32, at most 1.

    Raises:
        ValueError: the shapes differ, the images are too small, or an unknown variant.

    >>> image = torch.rand(1, 3, 16, 16)
    >>> ssim(image, image).item() > ssim(image, image.flip(-1)).item()
    True
    """
    images, references = _prepare(images, references, quantised)
    if min(images.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs sides of at least {SSIM_WINDOW} pixels, got {tuple(images.shape)}")
    if variant not in SSIM_VARIANTS:
        raise ValueError(f"variant: one of {', '.join(SSIM_VARIANTS)}, got {variant!r}")
    if variant == "luminance" and images.shape[1] == 3:
        images, references = luminance(images), luminance(references)
    count, channels = images.shape[:2]
    x, y = images.flatten(0, 1)[:, None], references.flatten(0, 1)[:, None]
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _smooth(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
    squares, product = mean_x.square() + mean_y.square(), mean_x * mean_y
    similarity = ((2 * product + SSIM_C1) * (2 * (mean_xy - product) + SSIM_C2)) / (
        (squares + SSIM_C1) * (mean_xx + mean_yy - squares + SSIM_C2)
    )
    return similarity.mean(dim=(1, 2, 3)).view(count, channels).mean(dim=1).float()


def _prepare(images: Tensor, references: Tensor, quantised: bool) -> tuple[Tensor, Tensor]:
    if images.shape != references.shape or images.ndim != 4:
        raise ValueError(f"two batches (B, C, H, W) expected, got {tuple(images.shape)} and {tuple(references.shape)}")
    # SSIM's variances are small differences of squares: in float32 they cost 1e-4 on flat images. Apple's GPUs have
    # nothing better.
    dtype = torch.float32 if images.device.type == "mps" else torch.float64
    images, references = images.detach().to(dtype), references.detach().to(dtype)
    return (quantise(images), quantise(references)) if quantised else (images, references)


def _smooth(maps: Tensor) -> Tensor:
    """Weigh (B, 1, H, W) by the Gaussian window, columns then rows, where it fits: (B, 1, H-10, W-10)."""
    window = [math.exp(-0.5 * ((i - SSIM_WINDOW // 2) / SSIM_SIGMA) ** 2) for i in range(SSIM_WINDOW)]
    # Sums of shifted maps are faster than a convolution of one channel.
    for dim in (-1, -2):
        fitting = maps.shape[dim] - SSIM_WINDOW + 1
        smoothed = torch.zeros_like(maps.narrow(dim, 0, fitting))
        for offset, weight in enumerate(window):
            smoothed.add_(maps.narrow(dim, offset, fitting), alpha=weight / sum(window))
        maps = smoothed
    return maps
