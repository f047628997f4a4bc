"""What a method of anybody's must give: said in one line that names the type, the range and the shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

OVERSHOOT = 0.5  # how far a method may leave [0, 1] before its images are taken for those of another range


def check_images(output: object, wanted: Sequence[int]) -> None:
    """Raises ValueError unless `output` is a batch of images, floating-point, of any height and width.

    `wanted`: shape (B, C, H, W) of what the method was given; its images and channels are counted.
    """
    if not isinstance(output, Tensor):
        kind = f"{type(output).__module__}.{type(output).__name__}".removeprefix("builtins.")
        number = f" of {output.dtype}" if hasattr(output, "dtype") else ""
        raise ValueError(f"gave {kind}{number}; must be a torch.Tensor (B, C, H, W), floating-point in [0, 1]")
    if not output.is_floating_point():
        values = f" with values from {output.min()} to {output.max()}" if output.numel() else ""
        raise ValueError(f"gave {output.dtype}{values}; must be floating-point in [0, 1]")
    if output.shape[:2] != tuple(wanted)[:2] or output.ndim != 4 or not output.numel():
        raise ValueError(f"gave {tuple(output.shape)} for images {tuple(wanted)}")


def of_another_range(images: Tensor) -> Tensor:
    """Which of the images (B, C, H, W) lie so far outside of [0, 1] that they are likely in [-1, 1] or 0..255: (B,)."""
    flat = images.flatten(1)
    return (flat.amin(dim=1) < -OVERSHOOT) | (flat.amax(dim=1) > 1 + OVERSHOOT)


def values_of(images: Tensor) -> str:
    """Type and range of images, for messages."""
    low, high = torch.aminmax(torch.nan_to_num(images.detach().float(), nan=0.0))
    return f"gave {images.dtype} images with values from {low:.4g} to {high:.4g}"
