"""From settings to window plans: renders or finds the videos, prepares them, and states the mixture to draw from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from facedeblur.blur.schedule import Schedule
from facedeblur.blur.settings import BlurSettings
from facedeblur.cores import job_count
from facedeblur.data.corpora import Clip
from facedeblur.data.find_clips import clips_of
from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.pack import needed_runs, read_pack, read_plans, write_pack
from facedeblur.data.frames.runs import find_runs
from facedeblur.data.frames.store import FrameStore, does_not_fit, open_frames, shared_memory
from facedeblur.data.frames.tiles import TileSettings
from facedeblur.data.pairs.files import PairFormat, write_pairs
from facedeblur.data.pairs.store import PairStore, open_store
from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import PlanReport
from facedeblur.data.prepare.job import PrepareError, check_blurs
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.settings import OF_STORED, DataSettings, plans_mark
from facedeblur.data.stream.sample_windows import MixtureRow, validation_windows
from facedeblur.progress import StageProgress, StepProgress


@dataclass(frozen=True)
class Corpus:
    """Plans of the training and validation windows, the training mixture, and what preparation reported.

    Attributes:
        clips, prepare: how they were prepared: where stored frames come from.
        packed: the folder of packed faces, where there are no clips.
    """

    train: Plan
    val: Plan
    mixture: tuple[MixtureRow, ...]
    epoch_windows: int | None
    schedules: tuple[Schedule, ...]
    reports: dict[str, PlanReport]
    clips: tuple[Clip, ...] = ()
    prepare: PrepareSettings = field(default_factory=PrepareSettings)
    packed: str | None = None


def mixture_rows(data: DataSettings, blur: BlurSettings) -> tuple[MixtureRow, ...]:
    """The mixture of section 5.1: passes of the corpora, each in its own schedules or in the blur's.

    Kernels have no direction of time: reversed passes hold only averages, and fall away where the blur has none.
    """
    directed = {schedule.name for schedule in data.schedules(blur) if not schedule.uses_kernels}
    rows = []
    for item in data.passes():
        wanted = item.blur or blur.schedules
        schedules = tuple((n, w) for n, w in wanted.items() if not item.reverse or n in directed)
        if schedules:
            rows.append(MixtureRow(item.corpus, schedules, item.reverse, weight=item.weight, count=item.count))
    return tuple(rows)


def epoch_size(data: DataSettings) -> int | None:
    """Windows per epoch: as set, and in proportion where only the first pass of the mixture is kept."""
    weights = [item.weight for item in data.mixture]
    if data.epoch_windows is None or not data.only_first_pass or None in weights:
        return data.epoch_windows
    return max(1, round(data.epoch_windows * weights[0] / sum(weights)))


def pair_stores(data: DataSettings, corpus: Corpus, size: int, jobs: int | str) -> tuple[PairStore, PairStore] | None:
    """The caches of finished training and validation pairs, filled where they are not; None where none is asked for."""
    if data.cache_pairs is None:
        return None
    stores = []
    for split, plan in (("train", corpus.train), ("val", corpus.val)):
        progress = StepProgress(f"caching {split} pairs")
        stores.append(open_store(plan, data.cache, size, data.cache_pairs, job_count(jobs), corpus.schedules, progress))
    return stores[0], stores[1]


def frame_store(data: DataSettings, corpus: Corpus, size: int, jobs: int | str) -> FrameStore | None:
    """The stored faces of training, decoded now where they are not there; None where videos are read every epoch.

    That is so, too, where they would take more than the limit or what is free: then one line says by how much, and what
    else cannot be done then. A later process of a DDP group has those of the first.
    """
    if data.frames == "stream":
        return None
    if corpus.packed is not None:
        return _name_missing(read_pack(Path(corpus.packed) / "train", size))
    count = job_count(jobs)
    tiles = TileSettings(size, data.frames_oversample, data.frames_margin)
    runs = find_runs(corpus.train, corpus.clips, data.cache, corpus.prepare, count)
    index = FrameIndex.of(runs, tiles)
    if data.frames != "disk" and (shared := shared_memory(index, tiles)) is not None:
        return shared
    if reason := does_not_fit(index, tiles, data.frames, data.cache, data.frames_limit):
        without = ", ".join(f"data.{name}" for name in OF_STORED if getattr(data, name))
        print(reason + (f", without {without}" if without else ""), file=sys.stderr)
        return None
    return _name_missing(open_frames(index, tiles, data.frames, data.cache, count, StepProgress("storing faces")))


def _name_missing(store: FrameStore) -> FrameStore:
    for video, reason in store.missing.items():
        print(f"not among the stored faces: {video}: {reason}", file=sys.stderr)
    return store


def export_frames(data: DataSettings, corpus: Corpus, size: int, jobs: int | str) -> list[str]:
    """Packs the faces of both splits below `data.export_frames`, those of validation as far as its windows need them;
    what was written, as lines."""
    tiles = TileSettings(size, data.frames_oversample, data.frames_margin)
    chosen = corpus.val.select(validation_windows(corpus.val, data.val_windows))
    lines = []
    for split, plan in (("train", corpus.train), ("val", chosen)):
        runs = find_runs(plan, corpus.clips, data.cache, corpus.prepare, job_count(jobs))
        index = FrameIndex.of(needed_runs(runs, plan), tiles)
        progress = StepProgress(f"packing {split} faces")
        store = _name_missing(open_frames(index, tiles, "memory", data.cache, job_count(jobs), progress))
        folder = Path(data.export_frames) / split
        size_of = write_pack(folder, store, plan, corpus.reports[split])
        lines.append(f"{split}: {len(index)} faces of {tiles.side} px, {size_of / 1e6:.1f} MB in {folder}")
    return lines


def export_pairs(data: DataSettings, corpus: Corpus, size: int, jobs: int | str) -> tuple[list[str], list[str]]:
    """Writes all pairs of both plans below `data.export`; what was written and skipped, and what failed, as lines."""
    lines, failed = [], []
    form = PairFormat(data.export_layout, data.export_image, size)
    for split, plan in (("train", corpus.train), ("val", corpus.val)):
        folder = Path(data.export) / split
        progress = StepProgress(f"exporting {split} pairs")
        written = write_pairs(plan, folder, form, job_count(jobs), corpus.schedules, progress)
        count = f"{written.pairs}" if written.pairs == len(plan) else f"{written.pairs} of {len(plan)}"
        lines.append(f"{split}: {count} pairs of {size} px as {form.layout} of {form.image} in {folder}")
        lines += [f"  skipped {video}: {reason}" for video, reason in written.skipped]
        failed += [f"{folder}: {part} {reason}" for part, reason in written.failed]
    return lines, failed


def list_clips(data: DataSettings, blur: BlurSettings) -> list[Clip]:
    """The clips of all corpora, found without opening a video; none for the demo, which is rendered, and packed faces.

    Raises:
        CorpusError, PrepareError: all that `make_corpus` can know before it reads a video.
    """
    if data.kind in ("demo", "frames"):
        return []
    clips = clips_of(data.sources(), data.name, data.cache, data.demo, 1)
    _check_clips(clips, data, blur)
    return clips


def _check_clips(clips: list[Clip], data: DataSettings, blur: BlurSettings) -> None:
    check_blurs(clips, data.schedules(blur))
    check_blurs(clips, blur.validation(), "blur.val_schedules")
    for split in ("train", "val"):
        if not any(clip.split == split for clip in clips):
            roots = ", ".join(source.root for source in data.sources()) or data.cache
            people = len({(clip.corpus, clip.identity) for clip in clips})
            remedy = "give data.val_root, or more identities" if split == "val" else "see docs/data.md for the layout"
            raise PrepareError(f"{roots}: no {split} clips among {len(clips)}, of {people} identities; {remedy}")


def make_corpus(
    data: DataSettings,
    blur: BlurSettings,
    jobs: int | str = "auto",
    prepare: PrepareSettings | None = None,
    keep: Mapping[str, str] = MappingProxyType({}),
) -> Corpus:
    """Renders (demo) or finds the clips of all corpora and plans their windows; everything is cached by content.

    Args:
        jobs: processes that decode at the same time, or "auto": one per core.
        prepare: what of a video is used, and where that is found out.
        keep: split -> name of the plan that a run has begun with; see `prepare_plan`.

    Raises:
        CorpusError: a folder that is missing or not laid out as its corpus is; shows the layout.
        PrepareError: no usable video, or none left for training or validation; names the folder and the reasons.
    """
    if data.kind == "frames":
        plans, reports = read_plans(data.root)
        schedules = (*data.schedules(blur), *blur.validation())
        rows = mixture_rows(data, blur)
        return Corpus(plans["train"], plans["val"], rows, epoch_size(data), schedules, reports, packed=data.root)
    cache = Path(data.cache)
    jobs = job_count(jobs)
    clips = clips_of(data.sources(), data.name, cache, data.demo, jobs)
    _check_clips(clips, data, blur)
    rows = mixture_rows(data, blur)
    plans, reports = {}, {}
    for split, schedules in (("train", data.schedules(blur)), ("val", blur.validation())):
        chosen = [clip for clip in clips if clip.split == split]
        reverse = split == "train" and any(row.reverse for row in rows)
        progress = StageProgress(f"{split} videos")
        plans[split], reports[split] = prepare_plan(
            chosen,
            schedules,
            cache,
            jobs=jobs,
            reverse=reverse,
            progress=progress,
            settings=prepare,
            keep=keep.get(split, ""),
        )
    mark = plans_mark(data, blur, prepare)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    return Corpus(
        plans["train"],
        plans["val"],
        rows,
        epoch_size(data),
        (*data.schedules(blur), *blur.validation()),
        reports,
        tuple(clips),
        prepare or PrepareSettings(),
    )
