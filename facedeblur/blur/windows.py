"""Blur windows: which consecutive frames are averaged into one blurry image (paper, Section 3.3 and Eq. 8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from facedeblur.settings import check, check_count


@dataclass(frozen=True)
class Window:
    """Consecutive frames of a video: their mean is the blurry image, the middle one the sharp target (Eq. 8).

    Attributes:
        video: the file.
        start: the lowest frame index, also of a window that was found on the reversed video: an average does not know
            the direction of time.
        length: number of frames, odd.
        reverse: whether the window was found on the reversed video.

    Raises:
        ValueError: an even length, which has no middle frame, or a negative start.

    >>> window = Window("ann.mp4", start=10, length=7)
    >>> window.target, window.stop
    (13, 17)
    """

    video: str
    start: int
    length: int
    reverse: bool = False

    def __post_init__(self) -> None:
        check(self.start >= 0, "start", "a frame index of at least 0", self.start)
        check_length(self.length)

    @property
    def target(self) -> int:
        """Index of the middle frame, the ground truth."""
        return self.start + self.length // 2

    @property
    def stop(self) -> int:
        """Index after the last frame."""
        return self.start + self.length


def check_length(length: int, name: str = "length") -> None:
    """Raises ValueError unless `length` is odd and positive, so that the middle frame exists."""
    check(length >= 1 and length % 2 == 1, name, "an odd number of frames", length)


def pravg_windows(start: int, stop: int, length: int, stride: int | None = None) -> list[tuple[int, int]]:
    """The predefined-average windows inside frames [start, stop) (section 3.3).

    By default they tile the range without overlap, as the image counts of the paper's Tables 4 and 5 imply (17,125
    windows of 7 and 4,962 of 21 in about 120,000 frames).

    Args:
        start, stop: the range of frames.
        length: frames of a window, odd.
        stride: frames between the starts of two windows; None: `length`.

    Returns:
        (start, length) of each window, ascending.

    Raises:
        ValueError: an even length, or a stride below 1.

    >>> pravg_windows(0, 20, length=7)
    [(0, 7), (7, 7)]
    """
    check_length(length)
    stride = length if stride is None else stride
    check_count("stride", stride)
    return [(first, length) for first in range(start, stop - length + 1, stride)]


def reversed_range(start: int, length: int, first: int, stop: int) -> tuple[int, int]:
    """The window (start, length) of frames [first, stop) played backwards, in forward indices."""
    return first + stop - start - length, length


def without_duplicates(
    windows: Iterable[tuple[int, int]], existing: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Those (start, length) of `windows` that no existing window resembles.

    Two windows are alike when their frame ranges overlap by more than half (intersection over union) and their middle
    frames differ by at most one: a reversed pass that stops where the forward one did would repeat its pairs
    (footnote 6 of the paper drops such repetitions).
    """
    by_target: dict[int, list[tuple[int, int]]] = {}
    for start, length in existing:
        by_target.setdefault(start + length // 2, []).append((start, length))

    def is_new(window: tuple[int, int]) -> bool:
        target = window[0] + window[1] // 2
        near = (other for shift in (-1, 0, 1) for other in by_target.get(target + shift, ()))
        return all(range_iou(window, other) <= 0.5 for other in near)

    return [window for window in windows if is_new(window)]


def range_iou(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Intersection over union of two frame ranges given as (start, length)."""
    shared = max(0, min(a[0] + a[1], b[0] + b[1]) - max(a[0], b[0]))
    return shared / (a[1] + b[1] - shared)
