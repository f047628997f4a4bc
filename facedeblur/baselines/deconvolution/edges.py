"""Which gradients a kernel is estimated from: the strong ones, enough of every orientation (Cho and Lee, 2009)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_STEP = 6e-5  # of the histogram of squared gradient magnitudes
_FALL = 0.81  # of a threshold that no gradient reaches
_EASE = 1.1  # the threshold of the next iteration is this much lower


def starting_threshold(gradients: Tensor, side: int) -> Tensor:
    """The greatest bound on the squared magnitude that max(20 side, 10) gradients of each orientation reach.

    gradients: (B, 2, h, w), horizontal and vertical. Orientations modulo 180 degrees lie in four bins of 45 degrees.
    The bound is a multiple of 6e-5. Returns (B, 1, 1, 1), zero where there are too few gradients of an orientation.
    """
    horizontal, vertical = gradients.flatten(2).unbind(1)
    magnitude = horizontal.square() + vertical.square()
    wanted = max(20 * side, 10)
    if magnitude.shape[1] < wanted:
        return magnitude.new_zeros(len(magnitude), 1, 1, 1)
    angle = torch.atan(vertical / horizontal)  # NaN for a zero gradient, which is in no bin
    edges = [-math.pi / 2, -math.pi / 4, 0, math.pi / 4, math.pi / 2]
    inside = torch.stack([(angle >= a) & (angle < b) for a, b in zip(edges, edges[1:], strict=False)], dim=1)
    binned = torch.where(inside, magnitude[:, None], -torch.ones_like(magnitude)[:, None])
    reached = binned.topk(wanted, dim=-1).values[..., -1].amin(1)
    return ((reached / _STEP).floor() * _STEP).clamp_min(0)[:, None, None, None]


def select(gradients: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients, zero where their squared magnitude is below the threshold, and the threshold for the next time.

    A threshold that would leave an image without gradients falls in steps of 19 % until one remains.
    gradients: (B, 2, h, w). threshold: (B, 1, 1, 1).
    """
    magnitude = gradients.square().sum(1, keepdim=True)
    strongest = magnitude.amax((-2, -1), keepdim=True)
    falls = (torch.log(strongest / threshold) / math.log(_FALL)).ceil().clamp_min(0)
    fallen = torch.where(threshold > strongest, torch.minimum(threshold * _FALL**falls, strongest), threshold)
    return torch.where(magnitude < fallen, torch.zeros_like(gradients), gradients), fallen / _EASE
