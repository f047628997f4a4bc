"""Variable length averaging (VLA; paper, Section 3.3): windows that grow until the blur is strong enough.

A window takes the next frame until one of three stop conditions fires: (i) the facial parts of the first and the last
frame no longer overlap, (ii) the running average no longer resembles the middle frame, (iii) the motion turns back or
jumps. The paper gives no thresholds; these are calibrated so that real clips give windows of mean SSIM 0.90.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facedeblur.blur.motion import FaceMotion
from facedeblur.blur.windows import check_length
from facedeblur.settings import check, check_range, is_positive


@dataclass(frozen=True)
class VLASettings:
    """Thresholds of the stop conditions; each condition has its own switch.

    Lengths count frames; `jump_threshold` and `return_threshold` are fractions of the face size (the longer side of the
    tight landmark box). Raises ValueError naming the field for an impossible value.
    """

    min_length: int = 7
    max_length: int = 51
    overlap: bool = True
    overlap_threshold: float = 0.10  # least mean intersection over union of the parts of first and last frame
    overlap_parts: int = 2  # of eyes, nose and mouth, at least so many overlap at all
    quality: bool = True
    quality_threshold: float = 0.85  # least SSIM of the running average against the current middle frame
    flow: bool = True
    jump_threshold: float = 0.25  # longest step between two frames: beyond it the tracker slipped or the shot changed
    return_threshold: float = 0.03  # how far the face may come back towards its first position
    static_threshold: float = 0.98  # windows of a higher SSIM hardly move and are dropped; 1 keeps all

    def __post_init__(self) -> None:
        for name in ("min_length", "max_length"):
            check_length(getattr(self, name), name)
        least = f"at least min_length, {self.min_length}"
        check(self.max_length >= self.min_length, "max_length", least, self.max_length)
        check_range(self, 0, 1, "overlap_threshold", "quality_threshold", "static_threshold")
        check_range(self, 0, 4, "overlap_parts")
        for name in ("jump_threshold", "return_threshold"):
            check(is_positive(getattr(self, name)), name, "a positive share of the face size", getattr(self, name))


@dataclass(frozen=True)
class VLAWindow:
    """`length` (odd) frames from `start`, counted within the segment, and the condition that stopped the growth."""

    start: int
    length: int
    stop: str  # overlap | quality | flow | cap | end


def vla_windows(
    landmarks: np.ndarray,
    ssim: Callable[[int, int], float],
    settings: VLASettings,
    stride: int | None = None,
) -> tuple[list[VLAWindow], Counter[str]]:
    """Greedy windows of one segment, and how many candidates were dropped for which reason.

    `landmarks`: (F, 68, 2), one shot without gaps. `ssim(start, stop)`: similarity of the mean of frames [start, stop),
    an odd number of them, and their middle frame. A window shorter than `min_length` is dropped ("short: <stop>") and
    the search goes on at its end; "static" counts windows that hardly move. The next window starts where the last one
    ended, or `stride` frames after its start.
    """
    motion = FaceMotion(landmarks)
    windows: list[VLAWindow] = []
    dropped: Counter[str] = Counter()
    start = 0
    while start < len(landmarks):
        length, stop = _grow(start, motion, ssim, settings)
        if length < settings.min_length:
            dropped[f"short: {stop}"] += 1
            start += length
        elif settings.static_threshold < 1.0 and ssim(start, start + length) > settings.static_threshold:
            dropped["static"] += 1
            start += length
        else:
            windows.append(VLAWindow(start, length, stop))
            start += length if stride is None else stride
    return windows, dropped


def reversed_vla_windows(
    landmarks: np.ndarray,
    ssim: Callable[[int, int], float],
    settings: VLASettings,
    stride: int | None = None,
) -> tuple[list[VLAWindow], Counter[str]]:
    """`vla_windows` of the segment played backwards, given in forward indices."""
    frames = len(landmarks)
    windows, dropped = vla_windows(
        landmarks[::-1], lambda start, stop: ssim(frames - stop, frames - start), settings, stride
    )
    return [VLAWindow(frames - w.start - w.length, w.length, w.stop) for w in windows], dropped


def _grow(start: int, motion: FaceMotion, ssim: Callable[[int, int], float], settings: VLASettings) -> tuple[int, str]:
    """Length (odd) of the longest window from `start` that no condition forbids, and the condition that ended it."""
    motion.begin(start)
    length, stop = 1, "end"
    for last in range(start + 1, motion.frames):
        if last - start + 1 > settings.max_length:
            stop = "cap"
            break
        if settings.flow and motion.fails(last, settings.jump_threshold, settings.return_threshold):
            stop = "flow"
            break
        if settings.overlap and motion.parts_apart(last, settings.overlap_threshold, settings.overlap_parts):
            stop = "overlap"
            break
        if (last - start) % 2:
            continue  # an even window has no middle frame: its last frame counts only once the next one has come
        if settings.quality and ssim(start, last + 1) < settings.quality_threshold:
            stop = "quality"
            break
        length = last - start + 1
    return length, stop
