"""One face through one video: 68 landmarks per frame and the hard cuts, from annotation or by tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from facedeblur.faces.album import album_landmarks
from facedeblur.faces.annotation import Annotation, annotation_of
from facedeblur.faces.cuts import CutDetector, find_cuts
from facedeblur.faces.dlib_models import REMEDY, DlibDetector, DlibLocalizer, FacesExtraError, has_dlib
from facedeblur.faces.follow import FaceFollower
from facedeblur.faces.protocols import Detector, Localizer
from facedeblur.files import write_atomic
from facedeblur.video.children import Failure, run_limited
from facedeblur.video.index import VideoInfo
from facedeblur.video.source import FrameSource, VideoError, open_source

FORMAT = 1  # raise it when tracking changes, so that cached tracks are made anew
SECONDS_PER_FRAME = 0.5  # the slowest sane tracking, for the time limit

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """Attributes:
    landmarks: (F, 68, 2) float32 pixel coordinates (x, y), 0-based; rows of NaN where there is no face.
    cuts: index of each frame that starts a new shot, ascending, without 0.
    """

    landmarks: np.ndarray
    cuts: tuple[int, ...] = ()

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

    def save(self, path: str | Path) -> None:
        """Write a compressed .npz, atomically."""

        def write(file: Path) -> None:
            with file.open("wb") as stream:
                np.savez_compressed(stream, landmarks=self.landmarks, cuts=np.array(self.cuts, np.int64))

        write_atomic(Path(path), write)

    @classmethod
    def load(cls, path: str | Path) -> FaceTrack:
        with np.load(path) as stored:
            return cls(stored["landmarks"], tuple(stored["cuts"].tolist()))


def track_video(source: FrameSource, frames: int, detector: Detector, localizer: Localizer) -> FaceTrack:
    """Find and follow the largest face in the first `frames` frames of a video, shot by shot."""
    cuts = []
    cut_detector, follower = CutDetector(), FaceFollower(frames, detector, localizer)
    for index, frame in enumerate(source.frames(0, frames)):
        cut = cut_detector.update(frame)
        if cut:
            cuts.append(index)
        follower.update(index, frame, cut)
    return FaceTrack(follower.finish(), tuple(cuts))


def track_videos(
    infos: Iterable[VideoInfo],
    cache_dir: str | Path,
    jobs: int = 1,
    progress: Progress | None = None,
    timeout: float = 120.0,
    annotations: Mapping[str, Annotation] | None = None,
) -> dict[str, FaceTrack | str]:
    """Track many indexed videos: the annotation of a clip wins over detection; cuts are always detected.

    Args:
        infos: from `index_videos`.
        cache_dir: tracks are kept in its folder `tracks`, one .npz per content of video and annotation.
        jobs: child processes.
        progress: called as `progress(done, total, path)`.
        timeout: seconds a video may take, plus half a second per frame.
        annotations: path -> its landmarks, where they are not in `<clip stem>.npz` beside it.

    Returns:
        path -> its track, or a short reason why it has none.

    Raises:
        FacesExtraError: a video without annotation, and no detector installed.
    """
    infos = list(infos)
    cache_dir = Path(cache_dir)
    tracks: dict[str, FaceTrack | str] = {info.path: info.error for info in infos if info.error}
    notes = {info.path: (annotations or {}).get(info.path) or annotation_of(info.path) for info in infos}
    files = {info.path: _cache_file(info, notes[info.path], cache_dir) for info in infos if not info.error}
    todo = [info for info in infos if not info.error and not files[info.path].is_file()]
    for info in todo:
        needs_detector = info.backend != "album" and not Path(notes[info.path].path).exists()
        if needs_detector and not has_dlib():
            raise FacesExtraError(f"{info.path}: no annotation of it and no face detector installed: {REMEDY}")

    def limit(task: tuple[VideoInfo, Annotation, Path]) -> float:
        return timeout + task[0].frames * SECONDS_PER_FRAME

    done = len(infos) - len(todo)
    tasks = [(info, notes[info.path], files[info.path]) for info in todo]
    for task, outcome in run_limited(_track_into, tasks, jobs, limit):
        path = todo[task].path
        if outcome is not None:
            tracks[path] = f"tracking {outcome.reason}" if isinstance(outcome, Failure) else outcome
        done += 1
        if progress:
            progress(done, len(infos), path)
    for path, file in files.items():
        if path not in tracks:
            track = FaceTrack.load(file)
            tracks[path] = track if track.valid.any() else "no face found"
    return tracks


def _cache_file(info: VideoInfo, annotation: Annotation, cache_dir: Path) -> Path:
    origin = annotation.fingerprint() or "detected"
    return cache_dir / "tracks" / f"{info.fingerprint}-{info.frames}-{origin}-v{FORMAT}.npz"


def _track_into(task: tuple[VideoInfo, Annotation, Path]) -> str | None:
    """Track one video into a file, in a child process; returns the reason if that is impossible."""
    info, annotation, file = task
    try:
        landmarks = annotation.read(info.frames) if Path(annotation.path).exists() else None
        with open_source(info.path, info.backend) as source:
            if info.backend == "album":
                track = FaceTrack(album_landmarks(source, _models), tuple(range(1, info.frames)))
            elif landmarks is None:
                track = track_video(source, info.frames, *_models())
            else:
                track = FaceTrack(landmarks, tuple(find_cuts(source.frames(0, info.frames))))
    except VideoError as error:
        return str(error) if error.path != info.path else error.reason
    track.save(file)
    return None


@cache
def _models() -> tuple[DlibDetector, DlibLocalizer]:
    return DlibDetector(), DlibLocalizer()
