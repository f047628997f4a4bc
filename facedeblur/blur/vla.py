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
    """Thresholds of the three stop conditions (section 3.3), each of which has a switch of its own.

    Attributes:
        min_length, max_length: frames of a window, odd.
        overlap: the facial parts of the first and the last frame have to overlap (condition i).
        overlap_threshold: least mean intersection over union of those parts.
        overlap_parts: of eyes, nose and mouth at least so many overlap at all.
        quality: the running average has to resemble the middle frame (condition ii).
        quality_threshold: least SSIM of the two.
        flow: the motion may neither jump nor turn back (condition iii).
        jump_threshold: longest step between two frames, in units of the longer side of the tight landmark box; beyond
            it the tracker slipped or the shot changed.
        return_threshold: how far the face may come back towards its first position, in the same units.
        static_threshold: windows of a higher SSIM hardly move and are dropped; 1 keeps all.

    Raises:
        ValueError: naming the field, for an impossible value.

    >>> VLASettings(max_length=21).quality_threshold
    0.85
    """

    min_length: int = 7
    max_length: int = 51
    overlap: bool = True
    overlap_threshold: float = 0.10
    overlap_parts: int = 2
    quality: bool = True
    quality_threshold: float = 0.85
    flow: bool = True
    jump_threshold: float = 0.25
    return_threshold: float = 0.03
    static_threshold: float = 0.98

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
    """A window of variable length.

    Attributes:
        start: its first frame, counted within the segment.
        length: its frames, an odd number; the middle one is the sharp target.
        stop: what ended its growth: "overlap", "quality", "flow", "cap" (max_length) or "end" (of the segment).
    """

    start: int
    length: int
    stop: str


def vla_windows(
    landmarks: np.ndarray,
    ssim: Callable[[int, int], float],
    settings: VLASettings,
    stride: int | None = None,
) -> tuple[list[VLAWindow], Counter[str]]:
    """Greedy windows of one segment, and how many candidates were dropped for which reason.

    A window shorter than `min_length` is dropped ("short: <stop>") and the search goes on at its end; "static" counts
    windows that hardly move.

    Args:
        landmarks: (F, 68, 2) in pixels, one shot without gaps.
        ssim: (start, stop) -> similarity of the mean of frames [start, stop), an odd number of them, and their middle
            frame.
        settings: thresholds of the stop conditions.
        stride: frames between the starts of two windows; None: the next one starts where the last one ended.
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
