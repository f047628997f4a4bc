"""The tracks of many videos, made in parallel and kept by content, so that no video is tracked twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path

import cv2

from facedeblur.faces.album import album_track
from facedeblur.faces.annotation import Annotation, annotation_of
from facedeblur.faces.dlib_models import REMEDY, DlibDetector, DlibEmbedder, DlibLocalizer, FacesExtraError, has_dlib
from facedeblur.faces.track import measured, save_people, track_people
from facedeblur.processes import Failure, run_limited
from facedeblur.video.index import VideoInfo
from facedeblur.video.open import open_source
from facedeblur.video.pyav_source import PyAVSource
from facedeblur.video.source import VideoError

FORMATS = {"video": 2, "album": 3}  # raise one when its tracking changes, so that cached tracks are made anew
SECONDS_PER_FRAME = 0.5  # the slowest sane tracking, for the time limit

Progress = Callable[[int, int, str], None]


def track_videos(
    infos: Iterable[VideoInfo],
    cache_dir: str | Path,
    jobs: int = 1,
    progress: Progress | None = None,
    timeout: float = 120.0,
    annotations: Mapping[str, Annotation] | None = None,
) -> dict[str, Path | str]:
    """Track many indexed videos: the annotation of a clip wins over detection; cuts are always detected.

    Args:
        infos: from `index_videos`.
        cache_dir: tracks are kept in its folder `tracks`, one .npz per content of video and annotation.
        jobs: child processes.
        progress: called as `progress(done, total, path)`.
        timeout: seconds a video may take, plus half a second per frame.
        annotations: path -> its landmarks, where they are not in `<clip stem>.npz` beside it.

    Returns:
        path -> the file for `track.load_people`, or a short reason why there is none.

    Raises:
        FacesExtraError: a video without annotation, and no detector installed.
    """
    infos = list(infos)
    tracks: dict[str, Path | str] = {info.path: info.error for info in infos if info.error}
    notes = {info.path: (annotations or {}).get(info.path) or annotation_of(info.path) for info in infos}
    files = {info.path: _cache_file(info, notes[info.path], Path(cache_dir)) for info in infos if not info.error}
    todo = [info for info in infos if not info.error and not files[info.path].is_file()]
    for info in todo:
        needs_detector = info.backend != "album" and not Path(notes[info.path].path).exists()
        if needs_detector and not has_dlib():
            raise FacesExtraError(f"{info.path}: no annotation of it and no face detector installed: {REMEDY}")

    def limit(task: tuple[VideoInfo, Annotation, Path]) -> float:
        return timeout + task[0].frames * SECONDS_PER_FRAME

    done = len(infos) - len(todo)
    if progress and done:
        progress(done, len(infos), infos[-1].path)
    tasks = [(info, notes[info.path], files[info.path]) for info in todo]
    for task, outcome in run_limited(track_into, tasks, jobs, limit):
        path = todo[task].path
        if outcome is not None:
            tracks[path] = f"cannot be tracked: {outcome.reason}" if isinstance(outcome, Failure) else outcome
        done += 1
        if progress:
            progress(done, len(infos), path)
    return {path: tracks.get(path, file) for path, file in files.items()} | tracks


def _cache_file(info: VideoInfo, annotation: Annotation, cache_dir: Path) -> Path:
    origin = annotation.fingerprint() or "detected"
    version = FORMATS["album" if info.backend == "album" else "video"]
    return cache_dir / "tracks" / f"{info.fingerprint}-{info.frames}-{origin}-v{version}.npz"


def track_into(task: tuple[VideoInfo, Annotation, Path]) -> str | None:
    """Track one video into a file, in a child process; returns the reason if that is impossible."""
    cv2.setNumThreads(1)
    info, annotation, file = task
    try:
        annotated = Path(annotation.path).exists()
        landmarks = annotation.read(info.frames, partial(_declared_frames, info.path)) if annotated else None
        with open_source(info.path, info.backend) as source:
            if info.backend == "album":
                people, cuts = [track := album_track(source, _models)], track.cuts
            elif landmarks is None:
                people, cuts = track_people(source, info.frames, *_models(), _embedder, info.gaps)
            else:
                people, cuts = [track := measured(source, landmarks, info.gaps)], track.cuts
    except VideoError as error:
        return str(error) if error.path != info.path else error.reason
    save_people(file, [track for track in people if track.valid.any()], info.frames, cuts)
    return None


def _declared_frames(path: str) -> int:
    """What a video says of its length, however much of it is left; 0 where it says nothing."""
    if not Path(path).is_file():
        return 0
    with PyAVSource(path) as source:
        return source.declared_frames


@cache
def _models() -> tuple[DlibDetector, DlibLocalizer]:
    return DlibDetector(), DlibLocalizer()


@cache
def _embedder() -> DlibEmbedder:
    return DlibEmbedder()
