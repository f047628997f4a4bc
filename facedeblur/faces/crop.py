"""The one crop rule, for training, evaluation and deblurring alike: square, upright, centred on the face."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

CROP_SCALE = 1.6  # side of the crop / longer side of the tight box of the 68 points


class CropBox(NamedTuple):
    """A square of whole pixels: columns `x ... x + side - 1`, rows `y ... y + side - 1`; it may leave the image."""

    x: int
    y: int
    side: int


def crop_box(landmarks: np.ndarray, scale: float = CROP_SCALE) -> CropBox:
    """Square box around a face.

    Args:
        landmarks: (68, 2) pixel coordinates (x, y), 0-based, centres of pixels at whole numbers.
        scale: side of the box in units of the longer side of the tight box.

    Returns:
        The box whose centre is that of the tight box, to the pixel; `side >= 2`.

    Raises:
        ValueError: wrong shape, or a coordinate that is not finite.
    """
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"landmarks: must have shape (68, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("landmarks: must be finite, got NaN or infinity; is there a face in this frame?")
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(2, round(float(scale * (high - low).max())))
    # Pixel i covers [i - 0.5, i + 0.5], so a box from x to x + side - 1 is centred at x + (side - 1) / 2.
    corner = np.rint((low + high) / 2 - (side - 1) / 2).astype(int)
    return CropBox(int(corner[0]), int(corner[1]), side)


def crop(frame: np.ndarray, box: CropBox) -> np.ndarray:
    """Cut a box out of an image (H, W) or (H, W, C); outside the image its border pixels are repeated.

    Returns:
        (side, side[, C]), a view of `frame` when the box lies inside it.
    """
    height, width = frame.shape[:2]
    x, y, side = box
    if x >= 0 and y >= 0 and x + side <= width and y + side <= height:
        return frame[y : y + side, x : x + side]
    if x >= width or y >= height or x + side <= 0 or y + side <= 0:  # beside the image: nothing to slice
        rows = np.clip(np.arange(y, y + side), 0, height - 1)
        columns = np.clip(np.arange(x, x + side), 0, width - 1)
        return frame[rows[:, None], columns]
    inside = frame[max(y, 0) : y + side, max(x, 0) : x + side]
    above, before = max(-y, 0), max(-x, 0)
    below, behind = side - above - inside.shape[0], side - before - inside.shape[1]
    return cv2.copyMakeBorder(inside, above, below, before, behind, cv2.BORDER_REPLICATE)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a square image (uint8, uint16 or float32; (H, W) or (H, W, C)) to (size, size[, C]), same dtype.

    Pixel areas are averaged when shrinking, so nothing aliases; enlarging is cubic.
    """
    if image.shape[:2] == (size, size):
        return image
    method = cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_CUBIC
    resized = cv2.resize(image, (size, size), interpolation=method)
    return resized.reshape(size, size, *image.shape[2:])  # cv2 drops a single channel


def points_to_crop(points: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Map image coordinates (..., 2) to the crop resized to `size`, as `resize` moves the pixels' centres."""
    points = np.asarray(points)
    corner = np.array([box.x, box.y])
    return ((points - corner + 0.5) * (size / box.side) - 0.5).astype(points.dtype)


def points_from_crop(points: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Inverse of `points_to_crop`."""
    points = np.asarray(points)
    corner = np.array([box.x, box.y])
    return ((points + 0.5) * (box.side / size) - 0.5 + corner).astype(points.dtype)
