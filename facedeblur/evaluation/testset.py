"""Test sets: any corpus under any blur as a list of windows, and the windows as pairs with true landmarks.

A window is a row of a plan, as in training; PrAvg windows tile the clips without overlap, as the counts of the paper's
Tables 4 and 5 imply. Kernel schedules blur the ground truths of VLA (Table 7), and on photos every photo.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from facedeblur.blur.schedule import Schedule, named_schedule
from facedeblur.data.corpora import Clip, Traits, is_album, traits
from facedeblur.data.find_clips import clips_of, demo_folder
from facedeblur.data.pairs.pair import PairMeta, describe, read_pairs
from facedeblur.data.plans.plan import SCHEMA, Plan
from facedeblur.data.plans.report import PlanReport
from facedeblur.data.prepare.job import PrepareError, check_blurs
from facedeblur.data.prepare.planning import kernel_seed
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.stream.sample_windows import validation_windows
from facedeblur.evaluation.settings import TestData
from facedeblur.evaluation.truth import annotation_kinds, is_annotated, localised, stills_of
from facedeblur.faces.crop import points_to_crop
from facedeblur.faces.protocols import Localizer
from facedeblur.progress import StageProgress
from facedeblur.video.album import SUFFIX as ALBUM_SUFFIX
from facedeblur.video.source import VideoError

# a test set does not choose its frames: one that training would find too blurred to learn from counts as well
EVERY_FRAME = PrepareSettings(min_sharpness=0.0, sharpness_share=0.0)


@dataclass(frozen=True)
class Case:
    """What a row says of one window, whatever the method. `L` is 1 where a kernel blurs one frame."""

    corpus: str
    category: str
    identity: str
    blur: str
    video: str
    frame: int
    L: int


@dataclass(frozen=True, eq=False)
class TestPair:
    """One image of a test set: `blurry` and `sharp`, RGB uint8 (S, S, 3); `truth` (68, 2) float32 in their pixels.
    `row`: of the blur's plan."""

    __test__ = False  # not a test class

    case: Case
    blurry: np.ndarray
    sharp: np.ndarray
    truth: np.ndarray
    row: int = -1


@dataclass(frozen=True, eq=False)
class BlurSet:
    """The windows of one corpus under one blur."""

    schedule: Schedule
    plan: Plan
    report: PlanReport


@dataclass(frozen=True, eq=False)
class TestSet:
    """A corpus and its blurs. `annotated`: clips (or photos) whose landmarks are given; `localised`: the others.
    `inner_folders`: those that names of videos leave out."""

    __test__ = False  # not a test class

    name: str
    roots: tuple[str, ...]
    clips: tuple[Clip, ...]
    blurs: tuple[BlurSet, ...]
    annotated: int
    localised: int
    inner_folders: tuple[str, ...] = ()

    def pairs(self, blur: BlurSet, rows: Sequence[int], size: int, truth: Localizer | None = None) -> Iterator:
        """TestPairs of rows of `blur.plan`, and (video, reason, lost windows) where a video cannot be read.

        truth: localises the full-resolution sharp frames of clips without annotation anew; None keeps the landmarks
        of the plan, which are dlib's.
        """
        schedules = {blur.schedule.name: blur.schedule}
        for video, group in groupby(rows, key=blur.plan.column("video").__getitem__):
            metas = {row: describe(blur.plan[row], row, size, schedules) for row in group}
            try:
                yield from self._read(video, blur.plan, metas, size, truth)
            except VideoError as error:
                yield video, error.reason, len(metas)

    def _read(
        self, video: str, plan: Plan, metas: dict[int, PairMeta], size: int, truth: Localizer | None
    ) -> Iterator[TestPair]:
        """Takes out of `metas` what it has read."""
        wanted = list(metas.values())
        clip, anew = self._by_path[video], {}
        unknown = [row for row in metas if truth is not None and not is_annotated(clip, plan[row].window.target)]
        if unknown:
            anew = localised({row: plan[row] for row in unknown}, wanted[0], truth)
        for pair in read_pairs(wanted):
            row, points = pair.meta.row, pair.meta.landmarks
            del metas[row]
            if row in anew:
                points = points_to_crop(anew[row], plan[row].crop, size)
            yield TestPair(self.case(plan, row), pair.blurry, pair.sharp, np.asarray(points, np.float32), row)

    def case(self, plan: Plan, row: int) -> Case:
        """What the rows of one window say."""
        planned = plan[row]
        clip = self._by_path[planned.window.video]
        # a corpus of several kinds of clips (the demo's A and B) has them as its categories
        category = clip.category or (clip.corpus if clip.corpus != self.name else "")
        video, identity, frame = self._relative(clip.path), clip.identity, planned.window.target
        if video.endswith(ALBUM_SUFFIX):  # a photo stands for itself
            still = stills_of(clip.path)[frame]
            video, frame = self._relative(still.image), 0
            identity = Path(video).parts[0] if len(Path(video).parts) > 1 else Path(video).stem
        length = 1 if planned.kernel_seed is not None else planned.window.length
        return Case(self.name, category, identity, planned.schedule, video, frame, length)

    @cached_property
    def _by_path(self) -> dict[str, Clip]:
        return {clip.path: clip for clip in self.clips}

    def _relative(self, path: str) -> str:
        """A path that means the same on every machine."""
        below = [os.path.relpath(path, root) for root in self.roots]
        parts = min((Path(b).parts for b in below if not b.startswith("..")), key=len, default=(Path(path).name,))
        while len(parts) > 1 and parts[0] in self.inner_folders:
            parts = parts[1:]
        return "/".join(parts)


def make_test_set(data: TestData, schedules: Sequence[Schedule], jobs: int, images: int | None = None) -> TestSet:
    """Finds (or renders) the clips of a corpus and plans their windows; everything is cached by content.

    images: at most so many windows per blur. Raises UsageError: no such folder, a layout that is not the corpus's
    (which is shown), no clip of the split, or no usable window.
    """
    kind = Traits() if data.corpus is None else traits(data.corpus.kind)
    if data.corpus is None:
        roots = [demo_folder(data.cache, data.demo, jobs)]
    else:
        roots = [root for root in (data.corpus.root, data.corpus.val_root) if root]
    roots = [os.path.abspath(os.path.expanduser(root)) for root in roots]
    clips = clips_of([data.corpus] if data.corpus else [], data.name, data.cache, data.demo, jobs)
    clips = _of_split(clips, data.split, kind, roots[0])
    counts = Counter(kind for clip in clips for kind in annotation_kinds(clip))
    blurs = []
    for schedule in schedules:
        blurs.append(BlurSet(schedule, *_plan(clips, schedule, data.cache, jobs, images)))
    inner = (*kind.inner_folders, "train", "val")
    return TestSet(data.name, tuple(roots), tuple(clips), tuple(blurs), counts[True], counts[False], inner)


def _of_split(clips: Sequence[Clip], split: str, kind: Traits, root: str) -> list[Clip]:
    splits = {clip.split for clip in clips}
    if split == "auto":
        split = "all" if kind.everybody else next((name for name in ("test", "val") if name in splits), "all")
    chosen = [clip for clip in clips if split in ("all", clip.split)]
    if not chosen:
        raise PrepareError(f"{root}: no {split} clips; it has {', '.join(sorted(splits))}; set split=all")
    return chosen


def _plan(
    clips: Sequence[Clip], schedule: Schedule, cache: str, jobs: int, images: int | None
) -> tuple[Plan, PlanReport]:
    photos = all(is_album(clip) for clip in clips)
    check_blurs(clips, [schedule])
    on_targets = schedule.uses_kernels and not photos
    planned = named_schedule("vla", vla=schedule.vla, response=schedule.response) if on_targets else schedule
    progress = StageProgress(f"for {schedule.name}")
    plan, report = prepare_plan(clips, [planned], cache, jobs=jobs, progress=progress, settings=EVERY_FRAME)
    if images is not None and len(plan) > images:
        plan = plan.select(validation_windows(plan, images))
    return on_ground_truths(plan, schedule) if on_targets else plan, report


def on_ground_truths(plan: Plan, schedule: Schedule) -> Plan:
    """The target frames of an averaging plan, each under a kernel of `schedule`: Table 7 blurs VLA's ground truths.

    PSNR and SSIM of the blur are not known before the images are made: NaN.
    """
    rows = []
    for index in range(len(plan)):
        planned = plan[index]
        target = planned.window.target
        row = {name: plan.column(name)[index] for name in SCHEMA.names}
        rows.append(
            row
            | {
                "schedule": schedule.name,
                "response": schedule.response,
                "start": target,
                "length": 1,
                "reverse": False,
                "kernel_seed": kernel_seed(planned.content, target, schedule),
                "psnr": float("nan"),
                "ssim": float("nan"),
                "stop": "kernel",
            }
        )
    return Plan.from_rows(rows)


def window_key(case: Case) -> str:
    """Name of a window that is the same on every machine."""
    return hashlib.sha256(repr(astuple(case)).encode()).hexdigest()[:12]
