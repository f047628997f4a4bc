"""Which frames of which videos can really be decoded, and when they are shown: asked once, then answered from a cache.

Containers lie about their number of frames, and decord can hang on those that do. So every file is decoded to its end
once, in a child process with a time limit; afterwards readers trust `VideoInfo.frames` and `VideoInfo.backend`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from facedeblur.files import read_json, write_atomic
from facedeblur.processes import Failure, run_limited
from facedeblur.video.failures import is_expensive, is_hung, is_transient
from facedeblur.video.fingerprint import fingerprint
from facedeblur.video.open import has_decord, open_source
from facedeblur.video.source import VideoError
from facedeblur.video.times import gaps, is_even, packet_times

FORMAT = 3  # raise it when what the cache holds changes its meaning
SLOWEST_BYTES_PER_SECOND = 500_000  # of file; 1080p at ordinary bit rates decodes six times as fast on one slow core

Progress = Callable[[int, int, str], None]  # done, total, name of the last file


@dataclass(frozen=True)
class VideoInfo:
    """What one pass over a video found.

    Attributes:
        frames: decodable frames from the first on.
        width, height: of the frames, in pixels.
        fps: average rate in frames per second.
        gaps: index of each frame before which time leaps; no blur window may span it.
        times: seconds at which the frames are shown, where they do not follow evenly at `fps`; else None.
        backend: which backend decoded them and should again.
        fingerprint: of the content: equal files have equal ones, wherever they lie.
        error: why the video cannot be used, or None.
    """

    path: str
    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    gaps: tuple[int, ...] = ()
    times: tuple[float, ...] | None = None
    backend: str = ""
    fingerprint: str = ""
    error: str | None = None

    def frame_times(self) -> np.ndarray:
        """Seconds at which the frames are shown, (frames,) float64."""
        return np.arange(self.frames) / self.fps if self.times is None else np.array(self.times)


def index_videos(
    paths: Iterable[str | Path],
    cache_dir: str | Path,
    jobs: int = 1,
    timeout: float = 60.0,
    progress: Progress | None = None,
    backend: str = "auto",
    retry: bool = False,
) -> list[VideoInfo]:
    """Decode each video once to its end and report what it holds, in the order of `paths`.

    Args:
        paths: video files or folders of images.
        cache_dir: answers are kept in its folder `index`, one JSON file per content.
        jobs: child processes that decode at the same time.
        timeout: seconds before a decoder counts as hung; large files get more in proportion to their size.
        progress: called as `progress(done, total, path)`.
        backend: of `open_source`; "auto" chooses one for each file.
        retry: decode again what hung or crashed before: a busy machine can look like a hanging decoder.

    Returns:
        One `VideoInfo` per path. Unusable videos have `error` set; nothing is raised for them.
    """
    paths = [str(path) for path in paths]
    cache = Path(cache_dir) / "index"
    infos: dict[int, VideoInfo] = {}
    for number, path in enumerate(paths):
        found = _from_cache(path, cache, timeout, backend)
        if found and not (retry and found.error and is_expensive(found.error)):
            infos[number] = found

    def settle(number: int, info: VideoInfo) -> None:
        infos[number] = info
        if info.fingerprint and not is_transient(info.error or ""):
            _to_cache(info, cache, timeout, backend)
        if progress:
            progress(len(infos), len(paths), info.path)

    if progress and infos:
        progress(len(infos), len(paths), paths[max(infos)])
    missing = [number for number in range(len(paths)) if number not in infos]
    # A file on which decord hangs or crashes the child gets a second chance with only PyAV.
    for attempt in ("auto", "pyav") if backend == "auto" else (backend,):
        retry = []
        tasks = [(paths[number], attempt) for number in missing]
        for task, outcome in run_limited(inspect_video, tasks, jobs, lambda task: _limit(task[0], timeout)):
            number = missing[task]
            if not isinstance(outcome, Failure):
                settle(number, outcome)
            elif attempt == "auto" and has_decord():
                retry.append(number)
            else:
                settle(number, VideoInfo(paths[number], fingerprint=fingerprint(paths[number]), error=_blame(outcome)))
        missing = retry
    return [infos[number] for number in range(len(paths))]


def inspect_video(task: tuple[str, str]) -> VideoInfo:
    """Decode (path, backend) to its end. Backend "auto" is decord where it suits, PyAV where decord fails."""
    path, backend = task
    if path.endswith(".album"):
        return _count_stills(path)
    info = _decode(path, backend)
    if info.backend == "decord" and info.error:
        info = _decode(path, "pyav")
    if info.frames >= 2:
        times = packet_times(path, info.frames, info.fps)
        uneven = None if is_even(times) else tuple(np.round(times, 6).tolist())
        return replace(info, gaps=gaps(times), times=uneven, error=None)  # what precedes the damage is usable
    if info.frames == 1:
        return replace(info, error=info.error or "one frame only")
    return replace(info, error=info.error or "no frame can be decoded")


def _count_stills(path: str) -> VideoInfo:
    """Photos are decoded when their faces are sought; a damaged one costs no other."""
    info = VideoInfo(path, fingerprint=fingerprint(path))
    try:
        with open_source(path) as source:
            return replace(info, frames=len(source.stills), fps=source.fps, backend=source.backend)
    except VideoError as error:
        return replace(info, error=error.reason)


def _decode(path: str, backend: str) -> VideoInfo:
    """One pass over one video; `error` says what ended it before the end of the file."""
    info = VideoInfo(path, fingerprint=fingerprint(path))
    try:
        with open_source(path, backend) as source:
            info = replace(info, width=source.width, height=source.height, fps=source.fps, backend=source.backend)
            for count, _ in enumerate(source.frames(), start=1):
                info = replace(info, frames=count)
    except VideoError as error:
        return replace(info, error=error.reason)
    return info


def _limit(path: str, timeout: float) -> float:
    try:
        size = os.path.getsize(path)
    except OSError:
        size = 0
    return timeout + size / SLOWEST_BYTES_PER_SECOND


def _blame(failure: Failure) -> str:
    return f"decoder {failure.reason}" if failure.hung else f"cannot be decoded: decoder {failure.reason}"


def _cache_file(cache: Path, print_: str, backend: str) -> Path:
    return cache / (f"{print_}.json" if backend == "auto" else f"{print_}.{backend}.json")


def _to_cache(info: VideoInfo, cache: Path, timeout: float, backend: str) -> None:
    entry = {"format": FORMAT, "timeout": timeout, **asdict(info)}
    write_atomic(_cache_file(cache, info.fingerprint, backend), json.dumps(entry))


def _from_cache(path: str, cache: Path, timeout: float, backend: str) -> VideoInfo | None:
    entry = read_json(_cache_file(cache, fingerprint(path), backend), {})
    if entry.pop("format", None) != FORMAT:
        return None
    error = entry["error"] or ""
    if is_transient(error) or (entry.pop("timeout") < timeout and is_hung(error)):
        return None  # more patience is offered than last time
    times = entry["times"] and tuple(entry["times"])
    info = VideoInfo(**{**entry, "path": path, "gaps": tuple(entry["gaps"]), "times": times})
    if info.backend == "decord" and not has_decord():
        info = replace(info, backend="pyav")  # the same frames: a cache may be carried to another machine
    return info
