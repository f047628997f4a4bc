"""What is to be prepared, and the preparing of its files: index, tracks and windows, each kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import MappingProxyType

from facedeblur.blur.schedule import Schedule
from facedeblur.data.corpora import Clip, is_album
from facedeblur.data.plans.plan import SCHEMA
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.prepare.video_windows import VERSION, WindowTask, plan_all
from facedeblur.errors import UsageError
from facedeblur.faces.annotation import annotation_of
from facedeblur.faces.tracking import FORMATS, track_videos
from facedeblur.video.album import AlbumSource
from facedeblur.video.index import VideoInfo, index_videos

Progress = Callable[[str, int, int, str], None]  # stage (index, track, plan, shards), done, total, name of the last


class PrepareError(UsageError):
    """A corpus that cannot be trained on; the message is one line naming its folder and the reasons."""


def check_blurs(clips: Sequence[Clip], schedules: Iterable[Schedule], key: str = "blur") -> None:
    """Whether clips can be blurred so: photos have one frame, and only pairs of files bring their blur.

    Raises:
        PrepareError: none of them can; it names the key that asks for the schedules.
    """
    albums = [clip for clip in clips if is_album(clip)]

    def with_partners() -> bool:
        return any(AlbumSource(clip.path).blurry() for clip in albums)

    for schedule in schedules:
        if len(albums) == len(clips) and not schedule.uses_kernels:
            remedy = "given, what the files hold" if with_partners() else "trajectory or camera_shake"
            raise PrepareError(f"{key}: {schedule.name} averages frames, but photos have one; use {remedy}")
        if schedule.kind == "given" and not with_partners():
            raise PrepareError(f"{key}: given is the blur of pairs of files alone (data=pairs); these clips are none")


@dataclass(frozen=True)
class Preparation:
    """What is to be prepared, and how.

    Attributes:
        clips: from `corpora.find_clips`; the plan keeps their order.
        schedules: of distinct names.
        cache: folder shared by every corpus and every process.
        reverse: also look for windows from the end of every shot (Section 5.1: clips parsed "in reverse order").
    """

    clips: tuple[Clip, ...]
    schedules: tuple[Schedule, ...]
    cache: Path
    reverse: bool = False
    settings: PrepareSettings = field(default_factory=PrepareSettings)

    def manifest(self) -> str:
        """Name of the plan of these clips as they lie on disk: by sizes and times of the files; none is read."""
        notes = [clip.annotation or annotation_of(clip.path) for clip in self.clips]
        files = [
            (*astuple(clip), *_stamp(clip.path), *_stamp(note.path))
            for clip, note in zip(self.clips, notes, strict=True)
        ]
        schedules = [schedule.fingerprint() for schedule in self.schedules]
        depends = [SCHEMA.names, VERSION, FORMATS, files, schedules, self.reverse, self.settings.decisive()]
        return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:32]


@dataclass
class Prepared:
    """What is known of the files of a job: path -> its index, its windows' file, or why it has none."""

    infos: dict[str, VideoInfo] = field(default_factory=dict)
    windows: dict[str, Path] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def make_windows(
    job: Preparation, jobs: int, progress: Progress, given_up: Mapping[str, str] = MappingProxyType({})
) -> Prepared:
    """Index, track and plan the files of a job; what the cache holds is not done again.

    `given_up`: path -> why it is skipped without another attempt.
    """
    done = Prepared()
    paths = list(dict.fromkeys(clip.path for clip in job.clips))
    infos = index_videos(
        paths,
        job.cache,
        jobs,
        progress=lambda *counts: progress("index", *counts),
        backend=job.settings.backend,
        retry=job.settings.retry,
    )
    done.infos = dict(zip(paths, infos, strict=True))
    done.skipped = {**given_up} | {info.path: info.error for info in infos if info.error}
    for clip in job.clips:
        info = done.infos[clip.path]
        if not info.error and info.frames < clip.min_frames:
            done.skipped[clip.path] = f"short: {info.frames} frames, its corpus wants {clip.min_frames}"
    usable = [info for info in infos if info.path not in done.skipped]
    annotations = {clip.path: clip.annotation for clip in job.clips if clip.annotation}
    tracks = track_videos(usable, job.cache, jobs, lambda *counts: progress("track", *counts), annotations=annotations)
    done.skipped |= {path: reason for path, reason in tracks.items() if isinstance(reason, str)}
    tasks = [
        WindowTask.of(info, tracks[info.path], job.schedules, job.reverse, job.settings, job.cache)
        for info in usable
        if info.path not in done.skipped
    ]
    done.skipped |= plan_all(tasks, jobs, lambda count, name: progress("plan", count, len(tasks), name))
    done.windows = {task.info.path: task.target for task in tasks if task.info.path not in done.skipped}
    return done


def _stamp(path: str | Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
