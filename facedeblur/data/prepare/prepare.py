"""From a list of clips to a window plan: index, track, plan; each step cached by content, so nothing is done twice.

<cache>/index, tracks, windows   what is known of each file: see `video.index`, `faces.tracking`, `video_windows`
<cache>/plans/<hash>.parquet     the plan of a corpus, beside it its report as .json; <hash>.1.parquet, ... where files
                                 that could not be used for a passing reason were tried again
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from facedeblur.blur.schedule import Schedule
from facedeblur.data.corpora import Clip
from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import ClipFacts, PlanReport, listed
from facedeblur.data.prepare.cluster import run_shards
from facedeblur.data.prepare.job import Preparation, Prepared, PrepareError, Progress, check_blurs, make_windows
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.prepare.video_windows import CLIP_COLUMNS, VideoWindows
from facedeblur.files import shown
from facedeblur.video.failures import is_expensive, is_transient
from facedeblur.video.index import VideoInfo
from facedeblur.video.source import VideoError, check_file


def prepare_plan(
    clips: Sequence[Clip],
    schedules: Sequence[Schedule],
    cache_dir: str | Path,
    jobs: int = 1,
    reverse: bool = False,
    progress: Progress | None = None,
    settings: PrepareSettings | None = None,
    keep: str = "",
) -> tuple[Plan, PlanReport]:
    """The plan of all windows that `clips` give under `schedules`, and its report.

    Args:
        clips, schedules, reverse, settings: see `Preparation`.
        cache_dir: safe for several processes, the second one waits for the first.
        jobs: processes that decode at the same time; on a cluster, in each of its tasks.
        progress: called as `progress(stage, done, total, name)`.
        keep: name of a plan (`PlanReport.manifest`) that a training has begun with: it is not made again where it is of
            these clips as they lie on disk.

    Returns:
        The plan and the report. A file that cannot be used is skipped and named in the report; where the reason may
        have passed it is tried again by the next call, as `_worth_retrying` says.

    Raises:
        PrepareError: no file gives a window.
        ValueError: no schedule, or two of the same name.
    """
    names = [schedule.name for schedule in schedules]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"blur: one or more schedules of distinct names, got {names}")
    if not clips:
        raise PrepareError("no video to prepare: data.root holds none")
    check_blurs(clips, schedules)
    job = Preparation(tuple(clips), tuple(schedules), Path(cache_dir), reverse, settings or PrepareSettings())
    report_progress = progress or (lambda stage, done, total, name: None)
    manifest = job.manifest()
    folder = job.cache / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{manifest}.lock"):
        names = _made(folder, manifest)
        if keep in names:
            return _read(folder, keep)
        known = PlanReport.read(folder / f"{names[-1]}.json").skipped if names else ()
        again = {path for path, reason in known if _worth_retrying(path, reason, job.settings.retry)}
        if not names or again:
            given_up = {path: reason for path, reason in known if path not in again and is_expensive(reason)}
            if job.settings.cluster.where != "here":
                rest = tuple(clip for clip in job.clips if clip.path not in given_up)
                run_shards(replace(job, clips=rest), jobs, report_progress)
            # Another name than the plan before: who trains on that one looks up landmarks in its file.
            name = f"{manifest}.{len(names)}" if names else manifest
            plan, report = _collect(job, make_windows(job, jobs, report_progress, given_up), name)
            if not names or report.skipped != known:
                report.write(folder / f"{name}.json")
                plan.write(folder / f"{name}.parquet")
                names.append(name)
        return _read(folder, names[-1])


def _made(folder: Path, manifest: str) -> list[str]:
    """Names of the plans that are in the cache with their reports, the latest last."""
    names: list[str] = []
    name = manifest
    while all((folder / f"{name}{suffix}").exists() for suffix in (".parquet", ".json")):
        names.append(name)
        name = f"{manifest}.{len(names)}"
    return names


def _read(folder: Path, name: str) -> tuple[Plan, PlanReport]:
    return Plan.read(folder / f"{name}.parquet"), PlanReport.read(folder / f"{name}.json")


def _worth_retrying(path: str, reason: str, retry: bool) -> bool:
    """Whether a skipped file is worth another attempt: with `retry` what hung or crashed, and at any time what the
    operating system refused, unless it still does so for the same reason."""
    if is_expensive(reason):
        return retry
    if not is_transient(reason):
        return False
    try:
        check_file(path)
    except VideoError as error:
        return error.reason != reason
    return True


def _collect(job: Preparation, done: Prepared, manifest: str) -> tuple[Plan, PlanReport]:
    """Join the windows of all videos, in the order of the clips, and say which clip each comes from."""
    plans: list[Plan] = []
    facts: list[ClipFacts] = []
    rejects: dict[str, Counter[str]] = {}
    for clip in job.clips:
        info, reason = done.infos[clip.path], done.skipped.get(clip.path)
        known: dict[str, int] = {}
        if clip.path in done.windows:
            windows = VideoWindows.read(done.windows[clip.path])
            known = windows.facts | {"windows": len(windows.table)}
            for schedule, counts in windows.rejects.items():
                rejects.setdefault(schedule, Counter()).update(counts)
            if len(windows.table):
                plans.append(Plan(_named(windows.table, clip, info)))
            else:
                reason = _why_none(windows)
        facts.append(ClipFacts.of(clip, info, reason, **known))
    plan = Plan.concat(plans)
    skipped = [(fact.path, fact.reason) for fact in facts if fact.reason]
    report = PlanReport.of(plan, len(facts), skipped, rejects, facts, manifest)
    if not len(plan):
        root = os.path.commonpath([os.path.dirname(clip.path) for clip in job.clips])
        raise PrepareError(
            f"{shown(root)}: no usable video among {len(job.clips)} ({listed(report.reasons())}); "
            "set data.root to a folder of face videos"
        )
    return plan, report


def _named(table: pa.Table, clip: Clip, info: VideoInfo) -> pa.Table:
    """The windows of a video with the columns that say which clip they are from.

    Nobody but the most prominent person is known by the clip's identity; the others are people of this one clip.
    """
    others = f"{clip.identity}/{Path(clip.path).stem}#"
    identities = [f"{others}{n + 1}" if n else clip.identity for n in table.column("person").to_pylist()]
    columns = {"corpus": clip.corpus, "split": clip.split, "video": clip.path}
    columns |= {"backend": info.backend, "content": info.fingerprint}
    for name in CLIP_COLUMNS:
        values = identities if name == "identity" else [columns[name]] * len(table)
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def _why_none(windows: VideoWindows) -> str:
    if not windows.facts["people"]:
        return "no face found"
    if not windows.facts["faces"]:
        return f"no sharp face: {windows.facts['blurred']} blurred frames"
    return f"no window: {listed(sum(map(Counter, windows.rejects.values()), Counter()))}"
