"""When frames are shown. Averaging frames stands for a long exposure only where they follow one another evenly."""

from __future__ import annotations

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, VideoError

EVEN = 0.2  # intervals within this share of their median count as equal
GAP = 2.5  # an interval so many times the median is a gap: frames were dropped, or the recording was paused


def packet_times(path: str, frames: int, fps: float) -> np.ndarray:
    """Seconds at which the first `frames` frames of a video file are shown, (frames,) float64, ascending.

    Read off the container without decoding; evenly spaced at `fps` where it does not say, or has fewer frames.
    """
    from facedeblur.video.pyav_source import PyAVSource

    try:
        with PyAVSource(path) as source:
            times = source.packet_times()[:frames]
    except VideoError:  # readable by other means only, such as a folder of images
        times = []
    if len(times) < frames or None in times:
        return np.arange(frames) / (fps or DEFAULT_FPS)
    return np.array(times, np.float64)


def is_even(times: np.ndarray) -> bool:
    """Whether all frames follow at one rate."""
    intervals = np.diff(times)
    return not len(intervals) or bool((np.abs(intervals - np.median(intervals)) <= EVEN * np.median(intervals)).all())


def gaps(times: np.ndarray) -> tuple[int, ...]:
    """Index of each frame that comes after a gap, ascending."""
    intervals = np.diff(times)
    if not len(intervals):
        return ()
    return tuple((np.flatnonzero(intervals > GAP * np.median(intervals)) + 1).tolist())
