"""Hard cuts: frames that start a new shot. Nothing is ever averaged across one."""

from __future__ import annotations

from collections import deque
from statistics import median

import cv2
import numpy as np

SIZE = 64  # frames are compared as SIZE x SIZE thumbnails
BLOCK = 8
REACH = 4  # thumbnail pixels, 1/16 of the picture: motion up to this explains a change
HISTORY = 10

# Calibrated on 24,000 frames of face videos. Leaning to false alarms: those cost a split shot, a miss costs a ghost.
MIN_DIFFERENCE = 0.05  # mean absolute difference of the thumbnails, in units of the full range
MIN_JUMP = 2.0  # that difference over its recent median: shaking and panning go on, a cut happens once
MIN_RESIDUAL = 0.04  # what is left of the difference after block matching
MIN_COLOUR = 0.10  # share of the pixels that changed their place in the colour histogram ...
SURE_RESIDUAL = 0.055  # ... which may stay the same when this much is left unexplained


class CutDetector:
    """Says which frames of a video start a new shot; it is given all of them in order."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._differences: deque[float] = deque(maxlen=HISTORY)

    def update(self, frame: np.ndarray) -> bool:
        """Whether this RGB uint8 (H, W, 3) frame starts a new shot. The first frame of a video does not."""
        last, now = self._last, _thumbnail(frame)
        self._last = now
        if last is None:
            return False
        difference = float(cv2.absdiff(now, last).mean()) / 255
        usual = median(self._differences) if self._differences else 0.0
        cut = difference >= MIN_DIFFERENCE and difference >= MIN_JUMP * usual and _is_new(last, now)
        if cut:
            self._differences.clear()
        else:
            self._differences.append(difference)
        return cut


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    step = max(1, min(frame.shape[:2]) // (2 * SIZE))  # averaging all of a large frame would cost more than it tells
    return cv2.resize(np.ascontiguousarray(frame[::step, ::step]), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def _is_new(last: np.ndarray, now: np.ndarray) -> bool:
    """Whether neither motion nor, unless the change is large, the same colours can explain `now`."""
    residual = _residual(last, now)
    return residual >= SURE_RESIDUAL or (residual >= MIN_RESIDUAL and _colour_change(last, now) >= MIN_COLOUR)


def _colour_change(last: np.ndarray, now: np.ndarray) -> float:
    """Half the L1 distance of the 8 x 8 x 8 RGB histograms, in [0, 1]."""
    before, after = (cv2.calcHist([image], [0, 1, 2], None, [8] * 3, [0, 256] * 3) for image in (last, now))
    return float(np.abs(before - after).sum()) / (2 * SIZE**2)


def _residual(last: np.ndarray, now: np.ndarray) -> float:
    """Mean absolute difference, in [0, 1], when each block of `now` is matched with its best place in `last`."""
    padded = cv2.copyMakeBorder(last, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    best = np.full((SIZE // BLOCK, SIZE // BLOCK), np.inf, np.float32)
    for dy in range(2 * REACH + 1):
        for dx in range(2 * REACH + 1):
            error = cv2.absdiff(padded[dy : dy + SIZE, dx : dx + SIZE], now).sum(axis=2, dtype=np.float32)
            best = np.minimum(best, cv2.resize(error, best.shape, interpolation=cv2.INTER_AREA))
    return float(best.mean()) / (3 * 255)
