"""The pair stream: each worker reads its videos forward once per epoch and gives a share of every batch.

`sample_windows` decides which windows an epoch holds, `order` who reads them and in which order they leave, `reading`
turns frames into pairs; here the three meet. What a worker gives depends on (seed, epoch, ranks, workers), never on
timing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

import numpy as np
import torch

from facedeblur.blur.schedule import Schedule
from facedeblur.data.pairs.augment import NO_AUGMENTATION, AugmentSettings, item_seed
from facedeblur.data.pairs.pair import Pair, PairMeta, augmented, describe, read_pair, read_pairs
from facedeblur.data.pairs.store import PairStore
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.epoch_stream import Batch, EpochStream
from facedeblur.data.stream.order import WorkerShare, reading_order, split_evenly, worker_share
from facedeblur.data.stream.sample_windows import MixtureRow, replacement_windows, rows_of_epoch
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.video.source import VideoError

Problem = tuple[str, str]  # (video, reason)


class PairStream(EpochStream):
    """Batches of pairs.

    A batch is a dict: "blurry" and "sharp", uint8 (B, 3, S, S) in channels-last memory; "meta", a list of B
    dicts (see `PairMeta`); "replaced", a list of B: (video, reason) where a window could not be read and the pair is
    of another, else None.

    Args:
        plan: the windows; `mixture` draws from it for every epoch. Without a mixture the stream gives the whole plan,
            in the order of the videos and with a smaller last batch: validation.
        schedules: kernel schedules whose settings are not the default ones.
        store: finished pairs of the plan, read instead of its videos.
        rank, world: this process among those that share the epoch. In training every rank gets equally many batches.

    Raises:
        ValueError: a mixture that the plan cannot serve, or a batch that the ranks cannot share.
    """

    def __init__(
        self,
        plan: Plan,
        settings: LoaderSettings,
        mixture: Sequence[MixtureRow] | None = None,
        augment: AugmentSettings = NO_AUGMENTATION,
        schedules: Iterable[Schedule] = (),
        rank: int = 0,
        world: int = 1,
        store: PairStore | None = None,
    ) -> None:
        super().__init__(settings, rank, world)
        self.plan, self.mixture, self.augment, self.store = plan, mixture, augment, store
        self.schedules = {schedule.name: schedule for schedule in schedules}
        rows, self.remainder = self.epoch_rows(0)
        self._batches = -(-len(self._share(rows, 0)) // self.batch)

    def __len__(self) -> int:
        """Batches that this rank gets per epoch."""
        return self._batches

    def epoch_rows(self, epoch: int) -> tuple[np.ndarray, int]:
        """See `rows_of_epoch`."""
        return rows_of_epoch(self.plan, self.mixture, self.settings, epoch)

    def _share(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """This rank's share of an epoch's rows, in reading order."""
        laid_out = reading_order(self.plan, rows, self.settings.seed, epoch, shuffle=self.mixture is not None)
        return laid_out[split_evenly(len(rows), self.world)[self.rank]]

    def _run(self, epoch: int, place: int, workers: int) -> Iterator[Batch]:
        rows, _ = self.epoch_rows(epoch)
        given, role = divmod(place, workers)
        pairs = self._leaving(self.part(rows, epoch, role, workers).skip(given), rows, epoch)
        while pack := list(islice(pairs, self.batch)):
            yield collate(pack)

    def pairs(self, epoch: int, worker: int = 0, workers: int = 1) -> Iterator[tuple[Pair, Problem | None]]:
        """A worker's share of an epoch one by one: pairs, each with the problem that it stands in for, else None."""
        rows, _ = self.epoch_rows(epoch)
        return self._leaving(self.part(rows, epoch, worker, workers), rows, epoch)

    def part(self, rows: np.ndarray, epoch: int, worker: int, workers: int) -> WorkerShare:
        """What one of this rank's workers reads and gives of an epoch of `rows`."""
        return worker_share(
            self.plan,
            self._share(rows, epoch),
            seed=self.settings.seed,
            epoch=epoch,
            rank=self.rank,
            worker=worker,
            workers=workers,
            buffer=self.settings.buffer if self.mixture is not None else 1,
        )

    def _leaving(self, part: WorkerShare, drawn: np.ndarray, epoch: int) -> Iterator[tuple[Pair, Problem | None]]:
        """The pairs of a part as they leave: reads on until the next to leave is there."""
        arriving = self._arriving(part.read, drawn)
        held: dict[int, tuple[Pair, Problem | None]] = {}
        for row in part.emit.tolist():
            while row not in held:
                arrived, pair, problem = next(arriving)
                held[arrived] = pair, problem
            pair, problem = held.pop(row)
            yield augmented(pair, self.augment, item_seed(self.settings.seed, epoch, pair.meta.row)), problem

    def _arriving(self, read: np.ndarray, drawn: np.ndarray) -> Iterator[tuple[int, Pair, Problem | None]]:
        """(row, its pair, None) as they are read, video by video; or the pair that replaces it, and for what reason."""
        names, codes = self.plan.codes("video")
        for code, group in groupby(read.tolist(), key=codes.__getitem__):
            video = names[code]
            metas = {row: self.describe(row) for row in group}
            if self.store is not None:
                yield from self._stored(video, metas, drawn)
                continue
            try:
                for pair in read_pairs(list(metas.values())):
                    del metas[pair.meta.row]
                    yield pair.meta.row, pair, None
            except VideoError as error:
                for row in metas:  # those still missing
                    yield row, self._replacement(row, drawn, error), (video, error.reason)

    def _stored(
        self, video: str, metas: dict[int, PairMeta], drawn: np.ndarray
    ) -> Iterator[tuple[int, Pair, Problem | None]]:
        """As `_arriving`, for the windows of one video, from the store of finished pairs."""
        for row, meta in metas.items():
            try:
                yield row, Pair(*self.store.read(row, video), meta), None
            except VideoError as error:
                yield row, self._replacement(row, drawn, error), (video, error.reason)

    def _replacement(self, row: int, drawn: np.ndarray, error: VideoError) -> Pair:
        """The first readable pair in place of an unreadable one; raises `error` where there is none."""
        failed = set()
        for other in replacement_windows(self.plan, row, drawn):
            meta = self.describe(other)
            if meta.video in failed:
                continue
            try:
                return read_pair(meta)
            except VideoError:
                failed.add(meta.video)
        meta = self.describe(row)
        where = f"corpus {meta.corpus}, schedule {meta.schedule}"
        raise VideoError(error.path, f"{error.reason}; and no other video of {where} can be read") from error

    def describe(self, row: int) -> PairMeta:
        """The meta data of one row of the plan."""
        return describe(self.plan[row], row, self.settings.size, self.schedules)


def collate(items: Sequence[tuple[Pair, Problem | None]]) -> Batch:
    pairs = [pair for pair, _ in items]
    return {
        "blurry": _stack([pair.blurry for pair in pairs]),
        "sharp": _stack([pair.sharp for pair in pairs]),
        "meta": [pair.meta.to_dict() for pair in pairs],  # Lightning moves batches, and refuses frozen objects in them
        "replaced": [problem for _, problem in items],
    }


def _stack(images: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
