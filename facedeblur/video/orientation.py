"""How stored frames are turned and mirrored for showing: the display matrix of a video, one of eight orientations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

ONE, LAST = 1 << 16, 1 << 30  # 1 in the matrix's fixed-point numbers: 16.16, and 2.30 in its third column


class Orientation(NamedTuple):
    """From a stored frame to the upright one: rows and columns change places first, then each may be reversed."""

    transposed: bool = False
    mirrored: bool = False  # columns
    flipped: bool = False  # rows

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """A view of a stored frame (H, W, C) as it is to be shown."""
        frame = stored.swapaxes(0, 1) if self.transposed else stored
        return frame[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]

    def stored(self, upright: np.ndarray) -> np.ndarray:
        """The inverse of `upright`."""
        frame = upright[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]
        return frame.swapaxes(0, 1) if self.transposed else frame

    def matrix(self) -> list[int]:
        """The display matrix (3 x 3, row by row, fixed-point numbers), without a translation."""
        x, y = (-ONE if self.mirrored else ONE), (-ONE if self.flipped else ONE)
        linear = (0, y, x, 0) if self.transposed else (x, 0, 0, y)
        return [linear[0], linear[1], 0, linear[2], linear[3], 0, 0, 0, LAST]


def orientation_of(frame: Any) -> Orientation:
    """Of a decoded frame of PyAV, to the quarter turn; upright where it does not say."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()  # a stored (x, y) is shown at (ax + cy, bx + dy)
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)
