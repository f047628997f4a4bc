"""Temporal flicker of a restored video: change from frame to frame that the sharp video does not have."""

from __future__ import annotations

import torch
from torch import Tensor


def flicker(frames: Tensor, reference: Tensor | None = None) -> Tensor:
    """Mean absolute change between successive frames, over what the reference changes.

    Args:
        frames: (T, C, H, W) in [0, 1], T of at least 2.
        reference: the sharp video, of the same shape; None counts every change.

    Returns:
        () float32 in [0, 2]: the mean of |frame differences - reference differences|, so that true motion and a
        constant error cost nothing; without a reference the mean of |frame differences|.

    Raises:
        ValueError: fewer than two frames, or other shapes.

    >>> sharp = torch.rand(3, 1, 8, 8)
    >>> round(flicker(sharp + 0.1, sharp).item(), 6), round(flicker(sharp[:1].repeat(2, 1, 1, 1)).item(), 6)
    (0.0, 0.0)
    """
    if frames.ndim != 4 or len(frames) < 2:
        raise ValueError(f"frames: (T, C, H, W) with T of at least 2 expected, got {tuple(frames.shape)}")
    changes = torch.diff(frames.double(), dim=0)
    if reference is not None:
        if reference.shape != frames.shape:
            raise ValueError(f"reference: {tuple(frames.shape)} expected, got {tuple(reference.shape)}")
        changes = changes - torch.diff(reference.double(), dim=0)
    return changes.abs().mean().float()
