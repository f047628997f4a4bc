"""Deconvolution with a total-variation prior by split Bregman iterations, the last step of Krishnan et al. (CVPR 2011).

    min_x  weight / 2 |x * k - y|^2 + |x_h|_1 + |x_v|_1

Goldstein and Osher (2009): the gradients get variables of their own, tied to x by a quadratic penalty and by a running
sum of what they missed. The solution for x is circular; the differences do not wrap.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.fourier import difference_power, psf2otf, squared_modulus
from facedeblur.baselines.deconvolution.hyper_laplacian import tapered


def split_bregman(
    blurry: Tensor, kernels: Tensor, weight: float = 3000.0, penalty: float = 400.0, iterations: int = 20
) -> Tensor:
    """Images deconvolved with their kernels under total variation.

    Args:
        blurry: (B, C, H, W) in [0, 1].
        kernels: (B, 1, side, side).
        weight: of the data.
        penalty: of the gradients' own variables; it changes the speed, not the solution.
        iterations: alternations of image and gradients.

    Returns:
        (B, C, H, W), not clamped.
    """
    padded, inside = tapered(blurry, kernels)
    size = padded.shape[-2:]
    transfer = psf2otf(kernels, size)
    data = weight * transfer.conj() * torch.fft.rfft2(padded)
    divisor = 1 / (weight * squared_modulus(transfer) + penalty * difference_power(size, padded.dtype, padded.device))
    x = padded
    missed = [torch.zeros_like(x.diff(dim=dim)) for dim in (-1, -2)]
    for _ in range(iterations):
        wanted = torch.zeros_like(x)
        for dim, sum_ in zip((-1, -2), missed, strict=True):
            sum_ += x.diff(dim=dim)
            split = F.softshrink(sum_, 1 / penalty)
            sum_ -= split
            split -= sum_
            wanted.narrow(dim, 1, split.shape[dim]).add_(split)
            wanted.narrow(dim, 0, split.shape[dim]).sub_(split)
        x = torch.fft.irfft2((data + penalty * torch.fft.rfft2(wanted)) * divisor, s=size)
    return x[inside]
