"""Deconvolution with a hyper-Laplacian prior (Krishnan and Fergus, NIPS 2009).

    min_x  lambda / 2 |x * k - y|^2 + |grad x|^alpha

by half-quadratic splitting: gradients w near those of x, |w|^alpha + beta / 2 |w - grad x|^2, with beta rising.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.boundary import edge_taper
from facedeblur.baselines.deconvolution.driver import CoarseToFine
from facedeblur.baselines.deconvolution.fourier import divergence, good_size, squared_modulus
from facedeblur.baselines.deconvolution.paired_fft import filter_planes, transfer_function, whole_difference_power

BETA, BETA_RATIO, BETA_END = 1.0, 2 * 2**0.5, 256.0


def shrink(v: Tensor, beta: float, alpha: float, iterations: int = 5) -> Tensor:
    """The w of least |w|^alpha + beta / 2 (w - v)^2, for each value by itself; 0 < alpha <= 1.

    Up to |v| = bound it is 0; beyond, the largest root of the derivative, which Newton's method reaches from |v| from
    above. The bound has a closed form: it is where w = 0 costs as much as the root.
    """
    size = v.abs()
    if alpha == 1:
        return v.sign() * (size - 1 / beta).clamp_min_(0)
    root = (2 * (1 - alpha) / beta) ** (1 / (2 - alpha))  # of |v| = bound
    bound = (2 - alpha) / (2 * (1 - alpha)) * root
    start = size.clamp_min(bound)  # below the bound there may be no root
    w = start
    for _ in range(iterations):
        slope = w.pow(alpha - 1).mul_(alpha / beta)  # with both sides divided by beta: slope + w - |v| = 0
        w = w - (slope + w - start) / (1 - (1 - alpha) * slope / w)
    return torch.where(size > bound, v.sign() * w, 0)


def hyper_laplacian(blurry: Tensor, kernels: Tensor, weight: float = 2000.0, alpha: float = 2 / 3) -> Tensor:
    """Images deconvolved with their kernels under a hyper-Laplacian prior of gradients.

    Args:
        blurry: (B, C, H, W) in [0, 1].
        kernels: (B, 1, side, side).
        weight: lambda, of the data; less leaves a smoother image (the authors use 2000 to 3000).
        alpha: exponent of the prior, in (0, 1].

    Returns:
        (B, C, H, W), not clamped.
    """
    padded, inside = tapered(blurry, kernels)
    transfer = transfer_function(kernels, padded.shape[-2:])
    power = squared_modulus(transfer)
    differences = whole_difference_power(padded)
    data = filter_planes(padded, transfer.conj())
    x, beta = padded, BETA
    while beta < BETA_END:
        w = [shrink(x.roll(-1, dim).sub_(x), beta, alpha) for dim in (-1, -2)]
        prior = divergence(*w)
        ratio = beta / weight
        x = filter_planes(data.add(prior, alpha=ratio), 1 / (power + ratio * differences))
        beta *= BETA_RATIO
    return x[inside]


def tapered(images: Tensor, kernels: Tensor) -> tuple[Tensor, tuple]:
    """Images with replicated borders, tapered four times so that they may be taken for periodic, and where they lie.

    The borders are half a kernel wide, at the bottom and at the right a little more where that is faster to transform.
    Returns the grown images and the index that cuts the originals' place out of them.
    """
    margin = kernels.shape[-1] // 2
    height, width = images.shape[-2:]
    rows, columns = (good_size(n + 2 * margin) for n in (height, width))
    border = (margin, columns - width - margin, margin, rows - height - margin)
    padded = edge_taper(F.pad(images, border, mode="replicate"), kernels, times=4)
    return padded, (..., slice(margin, margin + height), slice(margin, margin + width))


class HyperLaplacianDeblurrer(CoarseToFine):
    """A CoarseToFine method whose last step is `hyper_laplacian`, of `final_weight` and `final_alpha`."""

    def __init__(
        self, device: str | torch.device | None, side: int | None, final_weight: float, final_alpha: float, chunk: int
    ) -> None:
        super().__init__(device, side, chunk)
        self.final_weight, self.final_alpha = final_weight, final_alpha

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        return hyper_laplacian(images, kernels, self.final_weight, self.final_alpha)
