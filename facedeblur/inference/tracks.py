"""Face tracks over time: smoothed, so that crops do not tremble, and faded in and out, so that nothing pops up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from facedeblur.faces.cuts import CutDetector
from facedeblur.faces.follow_all import FacesFollower

REACH = 4  # frames to either side that take part


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """One face in one frame.

    Attributes:
        track: number of its track.
        landmarks: (68, 2) float32 pixels, the mean over neighbouring frames of the track, the near ones counting more.
        presence: in (0, 1]; below 1 near the ends of a track that lie within a shot.
    """

    track: int
    landmarks: np.ndarray
    presence: float


@dataclass(frozen=True, eq=False)
class _Seen:
    frame: np.ndarray
    faces: dict[int, np.ndarray]
    shot: int


def track_faces(
    frames: Iterable[np.ndarray], follower: FacesFollower, reach: int = REACH
) -> Iterator[tuple[np.ndarray, list[TrackedFace]]]:
    """Each frame, RGB uint8 (H, W, 3), with its faces, `reach` frames after it was read."""
    # None stands for what lies before and after the video
    window: deque[_Seen | None] = deque([None] * reach, maxlen=2 * reach + 1)
    for seen in chain(_see(frames, follower), [None] * reach):
        window.append(seen)
        if len(window) == window.maxlen and window[reach] is not None:
            yield window[reach].frame, _faces(list(window), reach)


def _see(frames: Iterable[np.ndarray], follower: FacesFollower) -> Iterator[_Seen]:
    cuts, shot = CutDetector(), 0
    for index, frame in enumerate(frames):
        cut = cuts.update(frame)
        shot += cut
        yield _Seen(frame, follower.update(index, frame, cut), shot)


def _faces(window: list[_Seen | None], reach: int) -> list[TrackedFace]:
    """The faces of the frame in the middle of the window."""
    middle = window[reach]
    faces = []
    for track, own in middle.faces.items():
        total, weights, presence = own.astype(np.float64), 1.0, 1.0
        for side in (-1, 1):
            for distance in range(1, reach + 1):
                seen = window[reach + side * distance]
                if seen is None or seen.shot != middle.shot:
                    break  # the track ends with its shot, where nothing has to be hidden
                if track not in seen.faces:
                    presence = min(presence, distance / (reach + 1))
                    break
                weight = 1 - distance / (reach + 1)
                total = total + weight * seen.faces[track]
                weights += weight
        faces.append(TrackedFace(track, (total / weights).astype(np.float32), presence))
    return faces
