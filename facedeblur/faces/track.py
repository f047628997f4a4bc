"""One face through one video: 68 landmarks per frame, how sharp it is, and where the shots begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facedeblur.faces.cuts import CutDetector
from facedeblur.faces.follow import FaceFollower, Piece
from facedeblur.faces.people import join_people
from facedeblur.faces.protocols import Detector, Embedder, Localizer
from facedeblur.faces.refine import sharpness, smoothed
from facedeblur.files import write_atomic
from facedeblur.video.source import FrameSource


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face through the frames of a video.

    Attributes:
        landmarks: (F, 68, 2) float32 pixel coordinates (x, y), 0-based; rows of NaN where there is no face.
        cuts: index of each frame that starts a new shot, ascending, without 0.
        sharpness: (F,) float32, see `refine.sharpness`; NaN where there is no face. None: not measured.
    """

    landmarks: np.ndarray
    cuts: tuple[int, ...] = ()
    sharpness: np.ndarray | None = None

    @property
    def valid(self) -> np.ndarray:
        """(F,) bool: the frames with a face."""
        return np.isfinite(self.landmarks).all(axis=(1, 2))

    def segments(self) -> list[tuple[int, int]]:
        """Maximal runs `start <= frame < stop` of frames with a face within one shot."""
        edges = np.diff(self.valid.astype(np.int8), prepend=0, append=0)
        runs = zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
        segments = []
        for start, stop in runs:
            borders = [start, *(cut for cut in self.cuts if start < cut < stop), stop]
            segments += zip(borders[:-1], borders[1:], strict=True)
        return segments

    def without_blurred(self, least: float, share: float) -> tuple[FaceTrack, int]:
        """The track less the frames that are no ground truth, and how many those are.

        Args:
            least: sharpness that every frame must have.
            share: of the track's own median, likewise: a frame far below it is out of focus or blurred by motion.
        """
        values = np.where(self.valid, np.nan if self.sharpness is None else self.sharpness, np.nan)
        if not np.isfinite(values).any():
            return self, 0
        blurred = values < max(least, share * float(np.nanmedian(values)))
        landmarks = self.landmarks.copy()
        landmarks[blurred] = np.nan
        return replace(self, landmarks=landmarks), int(blurred.sum())


def save_people(path: str | Path, people: Sequence[FaceTrack], frames: int, cuts: Iterable[int]) -> None:
    """Write the tracks of all people of one video (none, perhaps) as a compressed .npz, atomically."""
    landmarks = np.full((len(people), frames, 68, 2), np.nan, np.float32)
    sharp = np.full((len(people), frames), np.nan, np.float32)
    for number, track in enumerate(people):
        landmarks[number] = track.landmarks
        if track.sharpness is not None:
            sharp[number] = track.sharpness

    def write(file: Path) -> None:
        with file.open("wb") as stream:
            np.savez_compressed(stream, landmarks=landmarks, sharpness=sharp, cuts=np.array([*cuts], np.int64))

    write_atomic(Path(path), write)


def load_people(path: str | Path) -> list[FaceTrack]:
    """What `save_people` wrote."""
    with np.load(path) as stored:
        cuts = tuple(stored["cuts"].tolist())
        return [
            FaceTrack(*pair[:1], cuts, pair[1]) for pair in zip(stored["landmarks"], stored["sharpness"], strict=True)
        ]


def track_people(
    source: FrameSource,
    frames: int,
    detector: Detector,
    localizer: Localizer,
    embedder: Callable[[], Embedder] | None = None,
    gaps: Sequence[int] = (),
) -> tuple[list[FaceTrack], tuple[int, ...]]:
    """Find and follow every face in the first `frames` frames of a video, and tell who is who.

    Args:
        embedder: makes the embedder, which is needed where there is more than one face or shot.
        gaps: frames before which time leaps; they start shots like hard cuts.

    Returns:
        The tracks, the most prominent person first (the largest sum of face areas over frames), and the cuts.
    """
    cuts = []
    cut_detector, follower = CutDetector(), FaceFollower(detector, localizer)
    for index, frame in enumerate(source.frames(0, frames)):
        cut = cut_detector.update(frame) or index in gaps
        if cut:
            cuts.append(index)
        follower.update(index, frame, cut)
    people = join_people(follower.finish(), embedder)
    return [_assembled(person, frames, tuple(cuts)) for person in people], tuple(cuts)


def measured(source: FrameSource, landmarks: np.ndarray, gaps: Sequence[int] = ()) -> FaceTrack:
    """The track of landmarks that are known: one pass finds cuts and sharpness."""
    detector, cuts = CutDetector(), []
    values = np.full(len(landmarks), np.nan, np.float32)
    valid = np.isfinite(landmarks).all(axis=(1, 2))
    for index, frame in enumerate(source.frames(0, len(landmarks))):
        if detector.update(frame) or index in gaps:
            cuts.append(index)
        if valid[index]:
            values[index] = sharpness(frame, landmarks[index])
    return FaceTrack(landmarks, tuple(cuts), values)


def _assembled(person: Sequence[Piece], frames: int, cuts: tuple[int, ...]) -> FaceTrack:
    landmarks = np.full((frames, 68, 2), np.nan, np.float32)
    values = np.full(frames, np.nan, np.float32)
    for piece in person:
        landmarks[piece.start : piece.stop] = smoothed(piece.landmarks)
        values[piece.start : piece.stop] = piece.sharpness
    return FaceTrack(landmarks, cuts, values)
