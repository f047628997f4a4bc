"""From a planned window to what is read of a store: a pure function of (seed, epoch, row), decided without a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from facedeblur.blur.response import response
from facedeblur.blur.schedule import Schedule, blur_single
from facedeblur.data.frames.pairs import Window, read_window
from facedeblur.data.frames.store import FrameStore
from facedeblur.data.frames.view import apply_map, draw_change, inverse_map, view_matrix
from facedeblur.data.pairs.augment import NO_AUGMENTATION, AugmentSettings, augment, item_seed
from facedeblur.data.pairs.pair import Pair, PairMeta, with_response
from facedeblur.data.plans.plan import Plan
from facedeblur.faces.crop import CropBox
from facedeblur.faces.mirror import MIRRORED_POINT
from facedeblur.video.source import VideoError

_CHANGE, _REDRAW = 0xC4A6, 0x3ED3  # separate these random streams from the others of the same item


@dataclass(frozen=True, eq=False)
class Item:
    """One pair to make.

    Attributes:
        plan_row: of the window it comes from.
        window: tiles to average.
        matrix: from pixels of the images to pixels of the middle tile.
        landmarks: (68, 2) float32 of the sharp image, in its pixels.
        schedule: for a single frame that is blurred by itself; None where frames are averaged.
        kernel_seed: of that blur.
        seed: of the changes of light and quality; None in validation.
    """

    plan_row: int
    window: Window
    matrix: np.ndarray
    landmarks: np.ndarray
    schedule: Schedule | None
    kernel_seed: int
    seed: int | None


class ItemMaker:
    """Items of the windows of a plan out of a store.

    Args:
        redraw: windows begin up to half their length earlier or later, as their run allows, and a single frame is
            another one near by and gets another kernel, anew in every epoch.
    """

    def __init__(
        self,
        plan: Plan,
        store: FrameStore,
        size: int,
        schedules: Mapping[str, Schedule],
        augment: AugmentSettings = NO_AUGMENTATION,
        redraw: bool = False,
        seed: int = 0,
    ) -> None:
        self.plan, self.store, self.size, self.schedules = plan, store, size, schedules
        self.augment, self.redraw, self.seed = augment, redraw, seed

    def item(self, row: int, epoch: int) -> Item:
        """Raises VideoError where the store has not the window's tiles."""
        plan, index = self.plan, self.store.index
        video, start, length = self._text("video", row), int(plan.column("start")[row]), int(plan.column("length")[row])
        box = CropBox(*(int(plan.column(name)[row]) for name in ("x", "y", "side")))
        if video in self.store.missing:
            raise VideoError(video, self.store.missing[video])
        run = index.find(video, start, length, box)
        if run is None:
            raise VideoError(video, f"its frames {start} to {start + length - 1} are not among the stored ones")
        kernel_seed = int(plan.column("kernel_seed")[row])
        schedule = self._schedule(row) if kernel_seed >= 0 else None
        item = item_seed(self.seed, epoch, row)
        if self.redraw:
            rng = np.random.default_rng([_REDRAW, item])
            start = self._start(run, start, length, rng)
            kernel_seed = int(rng.integers(2**31)) if schedule else kernel_seed
        window = Window(index.row(run, start), length)
        scale, offset = float(index.run_scale[run]), index.offsets[window.target]
        x, y, side = index.boxes[window.target].tolist()
        rng = np.random.default_rng([_CHANGE, item])
        a = self.augment
        change = draw_change(a.zoom, a.shift, a.turn, a.flip, rng)
        if a.drift and length > 1:
            drifted = self._drift(window, rng)
            change = replace(change, shift=(change.shift[0] + drifted[0], change.shift[1] + drifted[1]))
        matrix = view_matrix((x * scale - offset[0], y * scale - offset[1], side * scale), self.size, change)
        points = (index.landmarks[window.target].astype(np.float64) + 0.5) * scale - 0.5 - offset
        points = apply_map(inverse_map(matrix), points).astype(np.float32)
        if change.mirror:
            points = points[MIRRORED_POINT]
        seed = item if self.augment.active else None
        return Item(row, window, matrix, points, schedule, kernel_seed, seed)

    def pair(self, item: Item) -> Pair:
        """The pair of an item, made on the CPU."""
        curve = response(self._text("response", item.plan_row))
        blurry, sharp = read_window(self.store, item.window, item.matrix, self.size, curve)
        if item.schedule is not None:
            light = blur_single(sharp, item.schedule, item.kernel_seed, item.landmarks)
            blurry = np.rint(light).astype(np.uint8)
        if item.seed is not None:
            unmoved = _light_alone(self.augment)
            if unmoved.active:
                blurry, sharp, _ = augment(blurry, sharp, item.landmarks, unmoved, item.seed)
        return Pair(blurry, sharp, self.meta(item))

    def meta(self, item: Item) -> PairMeta:
        """The meta data of an item's pair; the crop is the rule's, before any change."""
        row, index, plan = item.plan_row, self.store.index, self.plan
        run = int(np.searchsorted(index.run_row, item.window.row, side="right")) - 1
        return PairMeta(
            **{name: self._text(name, row) for name in _NAMES},
            start=int(index.run_first[run]) + item.window.row - int(index.run_row[run]),
            length=item.window.length,
            reverse=bool(plan.column("reverse")[row]),
            kernel_seed=item.kernel_seed if item.schedule is not None else None,
            crop=CropBox(*index.boxes[item.window.target].tolist()),
            size=self.size,
            psnr=float(plan.column("psnr")[row]),
            landmarks=item.landmarks,
            row=row,
            kernel=item.schedule,
            augment=None if item.seed is None else (item.seed, self.augment),
        )

    def _start(self, run: int, start: int, length: int, rng: np.random.Generator) -> int:
        index = self.store.index
        first, count = int(index.run_first[run]), int(index.run_count[run])
        reach = max(length // 2, _NEAR)
        low, high = max(first, start - reach), min(first + count - length, start + reach)
        return int(rng.integers(low, high + 1))

    def _drift(self, window: Window, rng: np.random.Generator) -> tuple[float, float]:
        """How far the crop's centre lies beside the middle frame's face, in the sides of its crop.

        Centred on the middle frame, a crop shows where in the smear the sharp face lies. That is unknown to who finds a
        face on the blurry image.
        """
        boxes = self.store.index.boxes
        other = window.row + int(rng.integers(window.length))
        (x, y, side), (to_x, to_y, to_side) = boxes[window.target].tolist(), boxes[other].tolist()
        share = self.augment.drift * rng.random() / side
        return share * (to_x + to_side / 2 - x - side / 2), share * (to_y + to_side / 2 - y - side / 2)

    def _schedule(self, row: int) -> Schedule:
        return with_response(self.schedules.get(name := self._text("schedule", row)), name, self._text("response", row))

    def _text(self, name: str, row: int) -> str:
        names, codes = self.plan.codes(name)
        return names[codes[row]]


_NAMES = ("corpus", "identity", "video", "backend", "content", "schedule", "response")
_NEAR = 3  # frames: half of the distance between two windows of a kernel schedule


@lru_cache
def _light_alone(settings: AugmentSettings) -> AugmentSettings:
    """What is left to do once the view has been moved and mirrored."""
    return replace(settings, flip=0.0, zoom=0.0, shift=0.0, turn=0.0, drift=0.0)
