"""Blur kernels as arrays: made from weighted points, cropped, normalised, and applied to images.

A kernel is (k, k) float32 with k odd, no negative value and sum 1, so that it neither shifts nor brightens an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def normalise(kernel: np.ndarray) -> np.ndarray:
    """`kernel` divided by its sum, float32. Raises ValueError for negative values or a sum of zero."""
    total = float(kernel.sum(dtype=np.float64))
    if kernel.min() < 0 or not total > 0:
        raise ValueError(f"kernel: values must be at least 0 and their sum positive, got {kernel.min()} and {total}")
    return (kernel / total).astype(np.float32)


def check_kernel(shape: Sequence[int]) -> None:
    """Raises ValueError unless the shape is that of a square kernel with a central pixel."""
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] % 2 == 0:
        raise ValueError(f"kernel: must be (k, k) with k odd, got {tuple(shape)}")


def crop_to_support(kernel: np.ndarray) -> np.ndarray:
    """The smallest centred odd square that holds every non-zero value of a square kernel of odd size."""
    centre = kernel.shape[0] // 2
    rows, columns = np.nonzero(kernel)
    radius = int(max(np.abs(rows - centre).max(), np.abs(columns - centre).max())) if len(rows) else 0
    return kernel[centre - radius : centre + radius + 1, centre - radius : centre + radius + 1]


def splat(points: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Rasterise points (n, 2), as (x, y) in pixels, into a kernel with their centroid on its central pixel.

    Each point spreads its weight (equal ones by default) bilinearly over four pixels, which keeps the centroid.
    """
    points = np.asarray(points, np.float64)
    weights = np.ones(len(points)) if weights is None else np.asarray(weights, np.float64)
    points = points - np.average(points, axis=0, weights=weights)
    radius = int(np.abs(points).max()) + 1
    size = 2 * radius + 1
    corner = np.floor(points).astype(np.int64)
    x, y = (points - corner).T
    index = (corner[:, 1] + radius) * size + corner[:, 0] + radius
    canvas = np.zeros(size * size + size + 2)  # the last corners may lie one past the end, with weight zero
    for step, share in ((0, (1 - x) * (1 - y)), (1, x * (1 - y)), (size, (1 - x) * y), (size + 1, x * y)):
        canvas += np.bincount(index + step, weights * share, minlength=len(canvas))
    return normalise(crop_to_support(canvas[: size * size].reshape(size, size)))


def apply_kernel(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve (H, W) or (H, W, C), any numeric type, with `kernel`; replicated borders; float32 of the same shape."""
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])  # filter2D correlates
    return cv2.filter2D(image.astype(np.float32), cv2.CV_32F, flipped, borderType=cv2.BORDER_REPLICATE)
