"""The data of one training stage for Lightning: the pair stream for training, a fixed set of windows for validation."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from facedeblur.blur.schedule import Schedule
from facedeblur.data.frames.device import DeviceFrames
from facedeblur.data.frames.store import FrameStore
from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.pairs.store import PairStore
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.base import StreamDataModule
from facedeblur.data.stream.frame_stream import FrameStream
from facedeblur.data.stream.loader import TrainLoader, ValLoader
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow, validation_windows
from facedeblur.data.stream.settings import LoaderSettings

log = logging.getLogger(__name__)


class PairDataModule(StreamDataModule):
    """Pairs for training and validation.

    Batches as the network's step gets them: "blurry" and "sharp" float32 (B, 3, S, S) in [0, 1], channels-last; "meta"
    and "replaced" as in `PairStream`.

    Args:
        train_plan, val_plan: the windows to draw from, and those of which at most `settings.val_windows` validate.
        mixture: what an epoch is drawn from (Section 5.1).
        augment: of training pairs only.
        schedules: kernel schedules whose settings are not the default ones.
        stores: finished pairs of both plans, read instead of their videos.
        frames: the stored faces of training; validation reads its videos, so that its figures are those of any run.
        redraw: see `ItemMaker`; only with stored faces.
        on_device: training's images are made where the network is, a batch at a time, out of faces that lie there.
        val_frames: the stored faces of `val_plan`, where there are no videos.
    """

    images = ("blurry", "sharp")

    def __init__(
        self,
        train_plan: Plan,
        val_plan: Plan,
        mixture: Sequence[MixtureRow],
        settings: LoaderSettings,
        augment: AugmentSettings = AugmentSettings(),  # noqa: B008 - frozen
        schedules: Iterable[Schedule] = (),
        stores: tuple[PairStore, PairStore] | None = None,
        frames: FrameStore | None = None,
        redraw: bool = False,
        on_device: bool = False,
        val_frames: FrameStore | None = None,
    ) -> None:
        super().__init__(settings)
        self.train_plan, self.mixture = train_plan, tuple(mixture)
        chosen = validation_windows(val_plan, settings.val_windows)
        self.val_windows = val_plan.select(chosen)
        self.train_store = stores[0] if stores else None
        self.val_store = stores[1].select(chosen) if stores else None
        self.augment, self.schedules = augment, tuple(schedules)
        self.frames, self.redraw, self.val_frames = frames, redraw, val_frames
        self._device = DeviceFrames(frames, augment) if on_device and frames is not None else None

    @property
    def train_count(self) -> int:
        return len(self.train_plan)

    @property
    def val_count(self) -> int:
        return len(self.val_windows)

    def train_dataloader(self) -> TrainLoader:
        first = self._train is None
        loader = super().train_dataloader()
        if first and loader.stream.rank == 0:
            batches, batch, windows = len(loader.stream), self.settings.batch, len(self.train_plan)
            log.info(
                f"an epoch has {batches * batch} of {windows} windows in {batches} batches of {batch}; "
                f"{loader.stream.remainder} more were drawn, fill no batch and are dropped"
            )
        return loader

    def val_dataloader(self) -> ValLoader:
        rank, world = self.rank()
        if self.val_frames is not None:
            frames = FrameStream(
                self.val_windows, self.val_frames, self.settings, schedules=self.schedules, rank=rank, world=world
            )
            return ValLoader(frames, self.settings.workers)
        stream = PairStream(
            self.val_windows, self.settings, schedules=self.schedules, rank=rank, world=world, store=self.val_store
        )
        return ValLoader(stream, self.settings.workers)

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        if "items" not in batch:
            return super().transfer_batch_to_device(batch, device, dataloader_idx)
        blurry, sharp = self._device.images(batch["items"], batch["meta"], device)
        return {"blurry": blurry, "sharp": sharp, "meta": batch["meta"], "replaced": batch["replaced"]}

    def train_stream(self, rank: int, world: int) -> PairStream | FrameStream:
        given = (self.settings, self.mixture, self.augment, self.schedules)
        if self.frames is not None:
            kept = {"redraw": self.redraw, "planned": self._device is not None}
            return FrameStream(self.train_plan, self.frames, *given, **kept, rank=rank, world=world)
        given = (self.train_plan, *given)
        return PairStream(*given, rank=rank, world=world, store=self.train_store)
