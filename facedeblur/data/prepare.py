"""From a folder of clips to a window plan: index, track, plan; each step cached by content, so nothing is done twice.

<cache>/windows/<hash>.parquet   windows of one file under one set of schedules: what an interrupted run keeps
<cache>/plans/<hash>.parquet     the plan of a corpus, beside it its report as .json
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from facedeblur.blur.schedule import Schedule
from facedeblur.data.corpora import Clip
from facedeblur.data.plan import SCHEMA, Plan
from facedeblur.data.plan_report import Report, listed
from facedeblur.data.planning import plan_video
from facedeblur.errors import UsageError
from facedeblur.faces.annotation import annotation_path
from facedeblur.faces.track import FORMAT as TRACK_FORMAT
from facedeblur.faces.track import FaceTrack, track_videos
from facedeblur.files import write_atomic
from facedeblur.video.children import Failure, run_limited
from facedeblur.video.index import VideoInfo, index_videos
from facedeblur.video.source import VideoError, open_source

VERSION = 1  # raise it when the same settings give other windows
BATCH = 200  # clips whose tracks are in memory at the same time
PATIENCE = 120.0, 0.5  # seconds for one video, and more for each of its frames, before planning counts as hung

_CLIP_COLUMNS = ("corpus", "identity", "split", "video", "backend")
_VIDEO_SCHEMA = pa.schema([column for column in SCHEMA if column.name not in _CLIP_COLUMNS])

Progress = Callable[[str, int, int, str], None]  # stage (index, track, plan), done, total, name of the last file


class PrepareError(UsageError):
    """A corpus that cannot be trained on; the message is one line naming its folder and the reasons."""


def prepare_plan(
    clips: Sequence[Clip],
    schedules: Sequence[Schedule],
    cache_dir: str | Path,
    jobs: int = 1,
    reverse: bool = False,
    progress: Progress | None = None,
) -> tuple[Plan, Report]:
    """The plan of all windows that `clips` give under `schedules`, and its report.

    Args:
        clips: from `corpora.discover`; the plan keeps their order.
        schedules: of distinct names.
        cache_dir: shared by every corpus; safe for several processes, the second one waits for the first.
        jobs: processes that decode at the same time.
        reverse: also look for windows from the end of every shot (Section 5.1: clips parsed "in reverse order").
        progress: called as `progress(stage, done, total, name)`.

    Returns:
        The plan and the report. A file that cannot be used is skipped and named in the report.

    Raises:
        PrepareError: no file gives a window.
        ValueError: no schedule, or two of the same name.
    """
    names = [schedule.name for schedule in schedules]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"blur: one or more schedules of distinct names, got {names}")
    if not clips:
        raise PrepareError("no video to prepare: data.root holds none")
    report = progress or (lambda stage, done, total, name: None)
    path = Path(cache_dir) / "plans" / f"{_manifest(clips, schedules, reverse)}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not (path.exists() and path.with_suffix(".json").exists()):
            plan, summary = _prepare(clips, schedules, Path(cache_dir), jobs, reverse, report)
            summary.write(path.with_suffix(".json"))
            plan.write(path)
    return Plan.read(path), Report.read(path.with_suffix(".json"))


def _prepare(
    clips: Sequence[Clip], schedules: Sequence[Schedule], cache: Path, jobs: int, reverse: bool, progress: Progress
) -> tuple[Plan, Report]:
    paths = [clip.path for clip in clips]
    infos = index_videos(paths, cache, jobs, progress=lambda done, total, name: progress("index", done, total, name))
    skipped = {info.path: info.error for info in infos if info.error}
    for clip, info in zip(clips, infos, strict=True):
        if not info.error and info.frames < clip.min_frames:
            skipped[clip.path] = f"short: {info.frames} frames, its corpus wants {clip.min_frames}"
    usable = [info for info in infos if info.path not in skipped]
    annotations = {clip.path: clip.annotation for clip in clips if clip.annotation}
    tasks: dict[str, _Task] = {}
    for first in range(0, len(usable), BATCH):
        batch = usable[first : first + BATCH]

        def advance(stage: str, done: int, name: str, first: int = first) -> None:
            progress(stage, first + done, len(usable), name)

        tracks = track_videos(
            batch, cache, jobs, lambda done, total, name: advance("track", done, name), annotations=annotations
        )
        skipped |= {path: track for path, track in tracks.items() if isinstance(track, str)}
        planned = [
            _Task.of(info, tracks[info.path], tuple(schedules), reverse, cache)
            for info in batch
            if not isinstance(tracks[info.path], str)
        ]
        skipped |= _plan_all(planned, jobs, lambda done, name: advance("plan", done, name))
        tasks |= {task.path: replace(task, track=None) for task in planned if task.path not in skipped}
    return _collect(clips, tasks, skipped)


@dataclass(frozen=True)
class _Task:
    """One video to plan; its windows go to `target`, whose name says what they depend on."""

    path: str
    backend: str
    fingerprint: str
    frames: int
    schedules: tuple[Schedule, ...]
    reverse: bool
    target: Path
    track: FaceTrack | None

    @classmethod
    def of(
        cls, info: VideoInfo, track: FaceTrack, schedules: tuple[Schedule, ...], reverse: bool, cache: Path
    ) -> _Task:
        digest = hashlib.sha256(np.ascontiguousarray(track.landmarks).tobytes())
        settings = [schedule.fingerprint() for schedule in schedules]
        digest.update(json.dumps([VERSION, info.fingerprint, track.cuts, settings, reverse], default=int).encode())
        target = cache / "windows" / f"{digest.hexdigest()[:32]}.parquet"
        return cls(info.path, info.backend, info.fingerprint, info.frames, schedules, reverse, target, track)


def _plan_all(tasks: Sequence[_Task], jobs: int, progress: Callable[[int, str], None]) -> dict[str, str]:
    """Plan the videos that are not in the cache; path -> reason for those that cannot be planned."""
    waiting = [task for task in tasks if not task.target.exists()]
    done = len(tasks) - len(waiting)
    failed = {}
    if tasks:
        progress(done, tasks[-1].path)
    for number, outcome in run_limited(_plan_one, waiting, jobs, lambda task: PATIENCE[0] + PATIENCE[1] * task.frames):
        task = waiting[number]
        if isinstance(outcome, Failure):
            outcome = f"cannot be planned: {outcome.reason}"
        if outcome:
            failed[task.path] = outcome
        done += 1
        progress(done, task.path)
    return failed


def _plan_one(task: _Task) -> str | None:
    """Runs in a child process: write the windows of one video, or return why there are none."""
    cv2.setNumThreads(1)
    try:
        with open_source(task.path, task.backend) as source:
            found = plan_video(source, task.track, task.schedules, task.fingerprint, task.reverse)
    except VideoError as error:
        return error.reason
    rows = [{**row, "landmarks": row["landmarks"].reshape(-1)} for row in found.rows]
    schema = _VIDEO_SCHEMA.with_metadata({"rejects": json.dumps(found.rejects)})
    table = pa.Table.from_pylist(rows, schema=schema)
    write_atomic(task.target, lambda file: pq.write_table(table, file))
    return None


def _collect(clips: Sequence[Clip], tasks: dict[str, _Task], skipped: dict[str, str]) -> tuple[Plan, Report]:
    """Join the windows of all videos, in the order of the clips, and say which clip each comes from."""
    plans: list[Plan] = []
    rejects: dict[str, Counter[str]] = {}
    for clip in clips:
        if clip.path not in tasks:
            continue
        table = pq.read_table(tasks[clip.path].target)
        dropped = json.loads(table.schema.metadata[b"rejects"])
        for schedule, counts in dropped.items():
            rejects.setdefault(schedule, Counter()).update(counts)
        if not len(table):
            skipped[clip.path] = f"no window: {listed(sum(map(Counter, dropped.values()), Counter()))}"
            continue
        origin = (clip.corpus, clip.identity, clip.split, clip.path, tasks[clip.path].backend)
        for name, value in zip(_CLIP_COLUMNS, origin, strict=True):
            table = table.append_column(name, pa.array([value] * len(table)))
        plans.append(Plan(table))
    plan = Plan.concat(plans)
    report = Report.of(plan, len(clips), [(c.path, skipped[c.path]) for c in clips if c.path in skipped], rejects)
    if not len(plan):
        root = os.path.commonpath([os.path.dirname(clip.path) for clip in clips])
        raise PrepareError(
            f"{root}: no usable video among {len(clips)} ({listed(report.reasons())}); "
            "set data.root to a folder of face videos"
        )
    return plan, report


def _manifest(clips: Sequence[Clip], schedules: Sequence[Schedule], reverse: bool) -> str:
    """Name of the plan of these clips as they lie on disk: by sizes and times of the files, so that none is read."""
    files = [(*astuple(clip), *_stamp(clip.path), *_stamp(_annotation_path(clip))) for clip in clips]
    settings = [schedule.fingerprint() for schedule in schedules]
    return hashlib.sha256(json.dumps([VERSION, TRACK_FORMAT, files, settings, reverse]).encode()).hexdigest()[:32]


def _annotation_path(clip: Clip) -> str | Path:
    return clip.annotation.path if clip.annotation else annotation_path(clip.path)


def _stamp(path: str | Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
