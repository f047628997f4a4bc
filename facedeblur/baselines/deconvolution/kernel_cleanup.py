"""Kernels made plausible: faint taps and small islands go, the sum is one, the centroid is in the middle."""

from __future__ import annotations

import torch
from torch import Tensor


def drop_faint(kernel: Tensor, fraction: float = 0.05) -> Tensor:
    """Taps below `fraction` of the largest become zero, and so does every negative one. Not normalised."""
    bound = (kernel.amax((-2, -1), keepdim=True) * fraction).clamp_min(0)
    return torch.where(kernel < bound, torch.zeros_like(kernel), kernel)


def normalised(kernel: Tensor, previous: Tensor | None = None) -> Tensor:
    """The kernel without negative taps, summing to one; where nothing is left, `previous`, or else a single tap."""
    kernel = kernel.clamp_min(0)
    total = kernel.sum((-2, -1), keepdim=True)
    usable = torch.isfinite(total) & (total > 0)
    if previous is None:
        previous = torch.zeros_like(kernel)
        previous[..., kernel.shape[-2] // 2, kernel.shape[-1] // 2] = 1
    return torch.where(usable, kernel / torch.where(usable, total, torch.ones_like(total)), previous)


def drop_islands(kernel: Tensor, mass: float = 0.1) -> Tensor:
    """8-connected components of the non-zero taps whose sum is below `mass` become zero. Not normalised.

    kernel: (B, 1, h, w), summing to one. Runs on the kernel's device.
    """
    from kornia.contrib import connected_components_union_find

    labels = connected_components_union_find(kernel != 0).flatten()
    # in float64: the order in which taps are added must not decide at the bound
    masses = torch.zeros(int(kernel.numel()) + 1, dtype=torch.float64, device=kernel.device)
    masses.scatter_add_(0, labels, kernel.double().flatten())
    kept = masses[labels].view_as(kernel) >= mass
    return torch.where(kept, kernel, torch.zeros_like(kernel))


def clean(kernel: Tensor, previous: Tensor | None = None, faint: float = 0.05, mass: float = 0.1) -> Tensor:
    """drop_faint, drop_islands and normalised, in this order; an image that is left without taps gets `previous`."""
    return normalised(drop_islands(normalised(drop_faint(kernel, faint), previous), mass), previous)


def centring_shift(kernel: Tensor) -> Tensor:
    """(B, 2) int64: rows and columns by which `shifted` brings the kernel's centroid to its middle tap.

    Halves are rounded away from zero. The kernel must not be empty.
    """
    offsets = []
    for dim in (-2, -1):
        length = kernel.shape[dim]
        positions = torch.arange(length, dtype=torch.float64, device=kernel.device)
        profile = kernel.double().sum((1, -3 - dim))  # the other of the two axes
        wanted = (length - 1) / 2 - (profile * positions).sum(-1) / profile.sum(-1)
        offsets.append(wanted.sign() * (wanted.abs() + 0.5).floor())
    return torch.stack(offsets, dim=-1).long()


def shifted(image: Tensor, offsets: Tensor) -> Tensor:
    """Every image (B, C, H, W) moved by its own (rows, columns) of `offsets` (B, 2); zeros come in."""
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device) - offsets[:, :1]  # (B, H): where each row comes from
    columns = torch.arange(width, device=image.device) - offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
    source = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    source = source[:, None].expand(-1, image.shape[1], -1, -1).flatten(2)
    moved = image.flatten(2).gather(2, source).view_as(image)
    return torch.where(inside, moved, torch.zeros_like(moved))


def centred(kernel: Tensor) -> Tensor:
    """The kernel (B, 1, h, w), its centroid within half a tap of the middle, summing to one."""
    return normalised(shifted(kernel, centring_shift(kernel)), kernel)
