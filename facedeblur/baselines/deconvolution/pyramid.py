"""The pyramid of Levin et al. (PAMI 2011) and Pan et al.: kernel sides of the levels, images down, kernels up."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

RATIO = math.sqrt(0.5)  # of the sides of two levels
_KEPT = 0.05  # taps of the low-pass filter from where its cumulative sum exceeds this


def kernel_sides(side: int) -> list[int]:
    """Odd kernel sides of the levels, coarsest first; the last is `side`. Raises ValueError unless odd and >= 3."""
    if side < 3 or side % 2 == 0:
        raise ValueError(f"the kernel's side must be odd and at least 3, got {side}")
    levels = max(math.floor(math.log(5 / side) / math.log(RATIO)), 0) + 1
    sides = [math.ceil(side * RATIO**level) for level in range(levels)]
    return [n + (n % 2 == 0) for n in reversed(sides)]


def starting_kernel(side: int, like: Tensor) -> Tensor:
    """(B, 1, side, side) for the batch of `like`: two neighbours in a row, the lower left one above the centre."""
    kernel = like.new_zeros(len(like), 1, side, side)
    middle = (side - 1) // 2
    kernel[..., middle - 1, middle - 1 : middle + 1] = 0.5
    return kernel


def downsample(image: Tensor, ratio: float) -> Tensor:
    """The image (B, C, H, W) at `ratio` <= 1 of its size: low-pass filtered where the filter fits, then sampled.

    Samples lie 1 / ratio apart from the first filtered pixel on, by bilinear interpolation. An image that the filter
    does not fit in is replicated beyond its border first.
    """
    if ratio >= 1:
        return image
    taps = _low_pass(ratio)
    for dim in (-2, -1):
        image = _sample(_filter(image, taps, dim), 1 / ratio, dim)
    return image


def _low_pass(ratio: float) -> list[float]:
    """A Gaussian without its faint ends, summing to one."""
    values = [math.exp(-0.5 * (2 * math.pi * t * ratio / math.pi) ** 2) for t in range(-50, 51)]
    total, kept, reached = sum(values), [], 0.0
    for t, value in enumerate(values[:51]):
        reached += value / total
        if reached > _KEPT:
            kept = values[t : len(values) - t]
            break
    return [value / sum(kept) for value in kept]


def _filter(image: Tensor, taps: list[float], dim: int) -> Tensor:
    lacking = max(0, len(taps) + 1 - image.shape[dim])
    if lacking:
        image = F.pad(image, (0, lacking, 0, 0) if dim == -1 else (0, 0, 0, lacking), mode="replicate")
    length = image.shape[dim] - len(taps) + 1
    return sum(tap * image.narrow(dim, t, length) for t, tap in enumerate(taps))


def _sample(image: Tensor, step: float, dim: int) -> Tensor:
    count = math.floor((image.shape[dim] - 1) / step + 1e-9) + 1
    positions = torch.arange(count, dtype=torch.float64, device=image.device) * step
    lower = positions.floor().long().clamp(max=image.shape[dim] - 2)
    weight = (positions - lower).to(image.dtype)
    weight = weight[:, None] if dim == -2 else weight
    return image.index_select(dim, lower) * (1 - weight) + image.index_select(dim, lower + 1) * weight


def upsample_kernel(kernel: Tensor, side: int) -> Tensor:
    """A kernel of the level below (B, 1, n, n) at the next level: (B, 1, side, side), non-negative, summing to one.

    Bicubic to the next level's scale; then rows and columns go, or come, at the fainter end, one at a time.
    """
    larger = math.ceil(kernel.shape[-1] / RATIO - 1e-9)
    weights = resize_matrix(kernel.shape[-1], larger, 1 / RATIO, cubic=True).to(kernel)
    kernel = apply_matrix(apply_matrix(kernel, weights, -2), weights, -1).clamp_min(0)
    kernel = _fit_columns(_fit_columns(kernel, side).mT, side).mT
    return kernel / kernel.sum((-2, -1), keepdim=True)


def _fit_columns(kernel: Tensor, side: int) -> Tensor:
    while kernel.shape[-1] != side:
        sums = kernel.sum(-2, keepdim=True)
        first_is_fainter = sums[..., :1] < sums[..., -1:]
        if kernel.shape[-1] > side:
            kernel = torch.where(first_is_fainter, kernel[..., 1:], kernel[..., :-1])
        else:
            kernel = torch.where(first_is_fainter, F.pad(kernel, (0, 1)), F.pad(kernel, (1, 0)))
    return kernel


def resize_matrix(before: int, after: int, scale: float, cubic: bool = False, antialias: bool = False) -> Tensor:
    """(after, before) float64: the weights of MATLAB's imresize along one axis.

    Pixel centres lie at half-integers, the border is mirrored. cubic: bicubic (a = -1/2) instead of bilinear.
    antialias: for `scale` < 1 the interpolation kernel is widened by 1 / scale.
    """
    stretch = scale if antialias and scale < 1 else 1.0
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) / scale - 0.5
    support = (2 if cubic else 1) / stretch
    first = torch.floor(centres - support).long()
    taps = first[:, None] + torch.arange(math.ceil(2 * support) + 2)
    distance = ((centres[:, None] - taps) * stretch).abs()
    weights = _cubic(distance) if cubic else (1 - distance).clamp_min(0)
    weights = weights / weights.sum(1, keepdim=True)
    mirrored = taps % (2 * before)
    mirrored = torch.where(mirrored < before, mirrored, 2 * before - 1 - mirrored)
    return torch.zeros(after, before, dtype=torch.float64).scatter_add_(1, mirrored, weights)


def _cubic(x: Tensor) -> Tensor:
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def apply_matrix(image: Tensor, matrix: Tensor, dim: int) -> Tensor:
    """The matrix (after, before) applied along `dim`, -1 or -2, of (B, C, H, W)."""
    matrix = matrix.to(image)
    return image @ matrix.mT if dim == -1 else matrix @ image
