"""Pairs out of stored tiles, one at a time on the CPU: average the window's tiles where the face is, resample once."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from facedeblur.blur.response import Response, identity
from facedeblur.data.frames.store import FrameStore

EDGE = 2  # tile pixels around the seen part that interpolation may reach for


class Window(NamedTuple):
    """Tiles `row` ... `row + length - 1` of a store, which lie in one run; the one in the middle is the sharp one."""

    row: int
    length: int

    @property
    def target(self) -> int:
        return self.row + self.length // 2


def read_window(
    store: FrameStore, window: Window, matrix: np.ndarray, size: int, response: Response = identity
) -> tuple[np.ndarray, np.ndarray]:
    """The average of a window's frames (Eq. 8) and its middle frame, RGB uint8 (size, size, 3) each.

    Args:
        matrix: (2, 3) from pixels of the images to pixels of the middle tile, see `view_matrix`.
    """
    tiles, side = store.tiles, store.settings.side
    left, top, right, bottom = _seen(matrix, size, side)
    middle = tiles[window.target]
    moved = matrix.copy()
    moved[:, 2] -= left, top
    sharp = _resample(middle[top:bottom, left:right], moved, size)
    if window.length == 1:
        return sharp, sharp
    total = np.zeros((bottom - top, right - left, 3), np.float32)
    offsets = store.index.offsets[window.row : window.row + window.length]
    for row, (x, y) in zip(
        range(window.row, window.row + window.length), (offsets[window.length // 2] - offsets).tolist(), strict=True
    ):
        part = _part(tiles[row], left + x, top + y, right + x, bottom + y)
        cv2.accumulate(part if response == identity else response.decode(part), total)
    total /= window.length
    return _resample(response.encode(total), moved, size), sharp


def _seen(matrix: np.ndarray, size: int, side: int) -> tuple[int, int, int, int]:
    """The part of a tile (left, top, right, bottom) that an image shows."""
    ends = np.array([[0, 0], [size - 1, 0], [0, size - 1], [size - 1, size - 1]])
    corners = ends @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(corners.min(0)).astype(int) - EDGE, 0, side - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + EDGE + 1, low + 1, side)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _part(tile: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Pixels of a tile; outside it its border is repeated."""
    side = len(tile)
    if left >= 0 and top >= 0 and right <= side and bottom <= side:
        return tile[top:bottom, left:right]
    rows = np.clip(np.arange(top, bottom), 0, side - 1)
    return tile[rows[:, None], np.clip(np.arange(left, right), 0, side - 1)]


def _resample(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(H, W, 3) uint8 or float32 in [0, 255] to uint8 (size, size, 3); smooth where pixels are enlarged."""
    enlarged = abs(np.linalg.det(matrix[:, :2])) < 1.0
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if enlarged else cv2.INTER_LINEAR)
    image = image.astype(np.float32) if enlarged else image
    warped = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped if warped.dtype == np.uint8 else cv2.convertScaleAbs(np.maximum(warped, 0.0))
