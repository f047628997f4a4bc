"""The stacked hourglass as a localiser: a heatmap for each of 68 points, whose mean is the point, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.models.hourglass import STEM_STRIDE, HourglassStacks

POINTS = 68


class LandmarkHourglass(HourglassStacks):
    """(B, 3, H, W) in [-1, 1] -> list of `stacks` logits (B, 68, H / 4, W / 4), the last the best.

    Raises:
        ValueError: on sides that are no multiples of 64.
    """

    def __init__(self, features: int = 256, stacks: int = 8) -> None:
        super().__init__(features, stacks, channels=POINTS)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.maps(image)

    def locate(self, image: Tensor) -> Tensor:
        """Return the last stack's points, (B, 68, 2) float32 pixels (x, y) of the image, 0-based."""
        return mean_points(self(image)[-1])


def cell_centres(count: int, device: torch.device | None = None) -> Tensor:
    """Pixel coordinates of the centres of `count` heatmap cells, of STEM_STRIDE pixels each: 1.5, 5.5, ..."""
    return torch.arange(count, device=device, dtype=torch.float32) * STEM_STRIDE + (STEM_STRIDE - 1) / 2


def mean_points(logits: Tensor) -> Tensor:
    """Soft-argmax: softmax over each heatmap (..., h, w), then its mean: (..., 2) float32 pixels (x, y) of the image.

    Unlike the highest cell it has no rounding, and it passes the gradient of the point's error on to every cell.
    """
    height, width = logits.shape[-2:]
    share = logits.float().flatten(-2).softmax(-1).unflatten(-1, (height, width))
    x = (share.sum(-2) * cell_centres(width, logits.device)).sum(-1)
    y = (share.sum(-1) * cell_centres(height, logits.device)).sum(-1)
    return torch.stack([x, y], dim=-1)


def gaussian_maps(points: Tensor, height: int, width: int, sigma: float = STEM_STRIDE) -> Tensor:
    """Target heatmaps: Gaussians of `sigma` pixels around (..., 2) points, (..., height, width), each summing to 1."""
    x = points[..., 0, None] - cell_centres(width, points.device)
    y = points[..., 1, None] - cell_centres(height, points.device)
    across, down = (torch.softmax(-0.5 * (d / sigma) ** 2, dim=-1) for d in (x, y))
    return down[..., :, None] * across[..., None, :]


def landmark_losses(logits: list[Tensor], points: Tensor) -> dict[str, Tensor]:
    """What the localiser minimises the sum of, each the mean over stacks, faces and points, in float32.

    points: absolute error of the heatmaps' means in pixels. maps: cross-entropy of the heatmaps to Gaussians around
    the points, which makes them peak there; the mean by itself would leave their shape open.

    Args:
        logits: of every stack, (B, 68, h, w).
        points: (B, 68, 2) pixels of the image.
    """
    targets = gaussian_maps(points, *logits[-1].shape[-2:]).flatten(2)
    errors = [(mean_points(stack) - points).abs().mean() for stack in logits]
    entropies = [-(targets * stack.float().flatten(2).log_softmax(-1)).sum(-1).mean() for stack in logits]
    return {"points": torch.stack(errors).mean(), "maps": torch.stack(entropies).mean()}
