"""The 68 points of a mirrored face."""

from __future__ import annotations

import numpy as np

_MIRROR = (
    [*range(16, -1, -1)]  # jaw
    + [*range(26, 16, -1)]  # brows
    + [27, 28, 29, 30]  # bridge of the nose
    + [*range(35, 30, -1)]  # nostrils
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]  # eyes
    + [*range(54, 47, -1), *range(59, 54, -1)]  # outer lips
    + [*range(64, 59, -1), *range(67, 64, -1)]  # inner lips
)
MIRRORED_POINT = np.array(_MIRROR)  # point i of a mirrored face is point MIRRORED_POINT[i] of the face


def mirror_points(points: np.ndarray, width: int) -> np.ndarray:
    """The points (..., 68, 2) of an image `width` pixels wide, in its mirror image, renumbered; same dtype."""
    points = np.asarray(points)[..., MIRRORED_POINT, :]
    return np.stack([width - 1 - points[..., 0], points[..., 1]], axis=-1).astype(points.dtype)
