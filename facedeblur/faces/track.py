"""One face through one video: 68 landmarks per frame and the hard cuts, from annotation or by tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from facedeblur.faces.cuts import CutDetector, find_cuts
from facedeblur.faces.dlib_models import REMEDY, DlibDetector, DlibLocalizer, FacesExtraError, has_dlib
from facedeblur.faces.follow import FaceFollower
from facedeblur.faces.protocols import Detector, Localizer
from facedeblur.files import write_atomic
from facedeblur.video.children import Failure, run_limited
from facedeblur.video.files import fingerprint
from facedeblur.video.index import VideoInfo
from facedeblur.video.source import FrameSource, VideoError, open_source

FORMAT = 1  # raise it when tracking changes, so that cached tracks are made anew
SLACK = 5  # frames by which an annotation may be longer than what can be decoded
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


def annotation_path(video_path: str | Path) -> Path:
    """Where the annotation of a clip would lie: `<clip stem>.npz` beside it."""
    return Path(video_path).with_suffix(".npz")


def read_annotation(video_path: str | Path, frames: int | None = None) -> np.ndarray | None:
    """Landmarks from the file beside a clip, or None if there is none.

    Args:
        video_path: the clip.
        frames: how many frames of it can be decoded; the annotation is fitted to them. A few surplus rows are dropped,
            missing ones are NaN.

    Returns:
        (F, 68, 2) float32 pixel coordinates (x, y), 0-based.

    Raises:
        VideoError: naming the file, if it cannot be read, has another shape, or is longer than the video.
    """
    path = annotation_path(video_path)
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            landmarks = stored["landmarks"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise VideoError(path, f"annotation without a readable array 'landmarks' ({error})") from None
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise VideoError(path, f"annotation 'landmarks' must have shape (frames, 68, 2), got {landmarks.shape}")
    if frames is None:
        return landmarks
    if len(landmarks) > frames + SLACK:
        raise VideoError(path, f"annotation has {len(landmarks)} frames, the video {frames}")
    fitted = np.full((frames, 68, 2), np.nan, np.float32)
    fitted[: len(landmarks)] = landmarks[:frames]
    return fitted


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
) -> dict[str, FaceTrack | str]:
    """Track many indexed videos: an annotation beside a clip wins over detection; cuts are always detected.

    Args:
        infos: from `index_videos`.
        cache_dir: tracks are kept in its folder `tracks`, one .npz per content of video and annotation.
        jobs: child processes.
        progress: called as `progress(done, total, path)`.
        timeout: seconds a video may take, plus half a second per frame.

    Returns:
        path -> its track, or a short reason why it has none.

    Raises:
        FacesExtraError: a video without annotation, and no detector installed.
    """
    infos = list(infos)
    cache_dir = Path(cache_dir)
    tracks: dict[str, FaceTrack | str] = {info.path: info.error for info in infos if info.error}
    files = {info.path: _cache_file(info, cache_dir) for info in infos if not info.error}
    todo = [info for info in infos if not info.error and not files[info.path].is_file()]
    for info in todo:
        if not annotation_path(info.path).is_file() and not has_dlib():
            raise FacesExtraError(f"{info.path}: no annotation beside it and no face detector installed: {REMEDY}")

    def limit(task: tuple[VideoInfo, Path]) -> float:
        return timeout + task[0].frames * SECONDS_PER_FRAME

    done = len(infos) - len(todo)
    tasks = [(info, files[info.path]) for info in todo]
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


def _cache_file(info: VideoInfo, cache_dir: Path) -> Path:
    annotation = fingerprint(annotation_path(info.path))
    return cache_dir / "tracks" / f"{info.fingerprint}-{info.frames}-{annotation or 'detected'}-v{FORMAT}.npz"


def _track_into(task: tuple[VideoInfo, Path]) -> str | None:
    """Track one video into a file, in a child process; returns the reason if that is impossible."""
    info, file = task
    try:
        landmarks = read_annotation(info.path, info.frames)
        with open_source(info.path, info.backend) as source:
            if landmarks is None:
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
