"""`crop` and `resize` of `facedeblur.faces.crop` as one sparse linear map, for the inner loop of the pair stream.

Averaging pixel areas is linear in the rows and in the columns: out = A_y image A_x^T, where each row of A holds the few
pixels under one output pixel; a box that leaves the image only repeats the weights of the border. The products cost a
half to a quarter of cv2's area resize, and nothing is padded first.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy.sparse import csr_array

from facedeblur.faces.crop import CropBox, crop, resize


def resample(image: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """`resize(crop(image, box), size)`, rounded: float32 (H, W, 3) in [0, 255] to uint8 (size, size, 3)."""
    if box.side <= size:
        small = np.maximum(resize(crop(image, box), size), 0.0)  # cubic interpolation overshoots
        return cv2.convertScaleAbs(small)
    height, width = image.shape[:2]
    rows = _areas(box.y, box.side, height, size) @ image.reshape(height, -1)
    turned = cv2.transpose(rows.reshape(size, width, 3)).reshape(width, -1)
    small = (_areas(box.x, box.side, width, size) @ turned).reshape(size, size, 3)
    return cv2.transpose(cv2.convertScaleAbs(small))


@lru_cache(maxsize=64)  # the sharp image of a pair is cut like the blurry one
def _areas(first: int, side: int, extent: int, size: int) -> csr_array:
    """A (size, extent): means over `size` equal parts of pixels first ... first + side - 1, clipped to the image."""
    weights, pixels, rows = _parts(side, size)
    return csr_array((weights, np.clip(pixels + first, 0, extent - 1), rows), shape=(size, extent))


@lru_cache(maxsize=512)
def _parts(side: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, pixels and row starts of the map from `side` pixels to the means of `size` equal parts of them."""
    scale = side / size
    edges = np.arange(size + 1) * scale
    begin, end = np.floor(edges[:-1]).astype(np.int32), np.ceil(edges[1:] - 1e-9).astype(np.int32)
    counts = end - begin
    rows = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    part = np.repeat(np.arange(size), counts)
    pixels = (np.arange(rows[-1]) - rows[part] + begin[part]).astype(np.int32)
    covered = np.minimum(edges[part + 1], pixels + 1) - np.maximum(edges[part], pixels)
    return (covered / scale).astype(np.float32), pixels, rows
