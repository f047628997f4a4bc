"""The windows of one video, kept in a file of their own: what an interrupted preparation does not have to do again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.blur.schedule import Schedule
from facedeblur.data.plans.plan import SCHEMA
from facedeblur.data.prepare.planning import plan_video
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.faces.track import FaceTrack, load_people
from facedeblur.files import write_atomic
from facedeblur.processes import Failure, run_limited
from facedeblur.video.index import VideoInfo
from facedeblur.video.open import open_source
from facedeblur.video.source import VideoError

VERSION = 3  # raise it when the same settings give other windows
PATIENCE = 120.0, 0.5  # seconds for one video, and more for each of its frames, before planning counts as hung

# Columns of a plan that say which clip a window is from.
CLIP_COLUMNS = ("corpus", "identity", "split", "video", "backend", "content")
_SCHEMA = pa.schema([column for column in SCHEMA if column.name not in CLIP_COLUMNS] + [pa.field("person", pa.int16())])


@dataclass(frozen=True)
class WindowTask:
    """One video to plan; its windows go to `target`, whose name says what they depend on."""

    info: VideoInfo
    tracks: Path
    schedules: tuple[Schedule, ...]
    reverse: bool
    settings: PrepareSettings
    target: Path

    @classmethod
    def of(
        cls,
        info: VideoInfo,
        tracks: Path,
        schedules: Sequence[Schedule],
        reverse: bool,
        settings: PrepareSettings,
        cache: Path,
    ) -> WindowTask:
        names = [schedule.fingerprint() for schedule in schedules]
        depends = [VERSION, tracks.name, info.backend, info.fps, names, reverse, settings.decisive()]
        name = hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:32]
        return cls(info, tracks, tuple(schedules), reverse, settings, cache / "windows" / f"{name}.parquet")


@dataclass(frozen=True)
class VideoWindows:
    """What planning found in one video.

    Attributes:
        table: windows with the columns of `plan.SCHEMA` but those that name the clip, and "person": 0, the most
            prominent, 1, 2 ...
        rejects: schedule -> {why a candidate was dropped: candidates}.
        facts: of the whole video: shots, people, faces (frames with a face that is used), blurred (frames that are not
            because their face is not sharp).
    """

    table: pa.Table
    rejects: dict[str, dict[str, int]]
    facts: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> VideoWindows:
        table = pq.read_table(path)
        metadata = json.loads(table.schema.metadata[b"facedeblur"])
        return cls(table.replace_schema_metadata(None), metadata["rejects"], metadata["facts"])


def plan_all(tasks: Sequence[WindowTask], jobs: int, progress: Callable[[int, str], None]) -> dict[str, str]:
    """Plan the videos that are not in the cache; path -> reason for those that cannot be planned."""
    waiting = [task for task in tasks if not task.target.exists()]
    done = len(tasks) - len(waiting)
    failed = {}
    if tasks:
        progress(done, tasks[-1].info.path)

    def limit(task: WindowTask) -> float:
        return PATIENCE[0] + PATIENCE[1] * task.info.frames

    for number, outcome in run_limited(plan_one, waiting, jobs, limit):
        path = waiting[number].info.path
        if isinstance(outcome, Failure):
            outcome = f"cannot be planned: {outcome.reason}"
        if outcome:
            failed[path] = outcome
        done += 1
        progress(done, path)
    return failed


def plan_one(task: WindowTask) -> str | None:
    """Runs in a child process: write the windows of one video, or return why there are none."""
    cv2.setNumThreads(1)
    people = load_people(task.tracks)
    rejects = {schedule.name: Counter() for schedule in task.schedules}
    schedules = [schedule for schedule in task.schedules if _fast_enough(schedule, task, rejects)]
    facts = {"shots": len(people[0].cuts) + 1 if people else 0, "people": len(people), "faces": 0, "blurred": 0}
    rows = []
    for number, track in enumerate(people if task.settings.faces == "all" else people[:1]):
        gated, blurred = track.without_blurred(task.settings.min_sharpness, _share_of_median(task))
        facts["faces"] += int(gated.valid.sum())
        facts["blurred"] += blurred
        try:
            found = _windows(task, gated, schedules)
        except VideoError as error:
            return error.reason
        rows += [{**row, "landmarks": row["landmarks"].reshape(-1), "person": number} for row in found.rows]
        for name, counts in found.rejects.items():
            rejects[name] += counts
    metadata = {"rejects": rejects, "facts": facts}
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({"facedeblur": json.dumps(metadata)}))
    write_atomic(task.target, lambda file: pq.write_table(table, file))
    return None


def _windows(task: WindowTask, track: FaceTrack, schedules: Sequence[Schedule]):
    with open_source(task.info.path, task.info.backend) as source:
        return plan_video(source, track, schedules, task.info.fingerprint, task.reverse)


def _share_of_median(task: WindowTask) -> float:
    """Of the track's sharpness, that a frame must have. Photos have nothing in common: no median judges one of them."""
    return 0.0 if task.info.backend == "album" else task.settings.sharpness_share


def _fast_enough(schedule: Schedule, task: WindowTask, rejects: dict[str, Counter[str]]) -> bool:
    """Whether the video's frames follow one another fast enough to be averaged under this schedule."""
    interval = float(np.median(np.diff(task.info.frame_times()))) if task.info.frames > 1 else 0.0
    if schedule.uses_kernels or interval * task.settings.min_fps <= 1.0 + 1e-6:
        return True
    rejects[schedule.name][f"slow: below {task.settings.min_fps:g} frames per second"] += 1
    return False
