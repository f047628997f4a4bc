"""Temporal flicker of a restored video: change from frame to frame that the sharp video does not have."""

from __future__ import annotations

import torch
from torch import Tensor


def flicker(frames: Tensor, reference: Tensor | None = None) -> Tensor:
    """Mean absolute change between successive frames, over what the reference changes.

    frames: (T, C, H, W) in [0, 1], T >= 2. With `reference` of the same shape: the mean of |frame differences -
    reference differences|, so that true motion costs nothing; 0 for a perfect video, whatever its constant error.
    Without one: the mean of |frame differences|. A scalar in [0, 2]. Raises ValueError for fewer than two
    frames or other shapes.
    """
    if frames.ndim != 4 or len(frames) < 2:
        raise ValueError(f"frames: (T, C, H, W) with T of at least 2 expected, got {tuple(frames.shape)}")
    changes = torch.diff(frames.double(), dim=0)
    if reference is not None:
        if reference.shape != frames.shape:
            raise ValueError(f"reference: {tuple(frames.shape)} expected, got {tuple(reference.shape)}")
        changes = changes - torch.diff(reference.double(), dim=0)
    return changes.abs().mean().float()
