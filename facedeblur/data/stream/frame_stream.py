"""The stream of pairs out of stored frames: any order costs the same, so an epoch is shuffled as a whole.

Batch k of an epoch holds the same pairs for any number of workers and ranks: a batch of all ranks is a stretch of the
epoch's draw, which the ranks share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from facedeblur.blur.schedule import Schedule
from facedeblur.data.frames.items import Item, ItemMaker
from facedeblur.data.frames.store import FrameStore
from facedeblur.data.pairs.augment import NO_AUGMENTATION, AugmentSettings
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.epoch_stream import EpochStream
from facedeblur.data.stream.interleave import Batch
from facedeblur.data.stream.pair_stream import Problem, collate
from facedeblur.data.stream.sample_windows import MixtureRow, replacement_windows, rows_of_epoch
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.video.source import VideoError


class FrameStream(EpochStream):
    """Batches of pairs as `PairStream` gives them, without reading a video.

    Args:
        plan: the windows; `mixture` draws from it for every epoch. Without a mixture the stream gives the whole plan,
            in its order and with a smaller last batch: validation.
        store: the tiles of the plan's faces.
        redraw: see `ItemMaker`.
        planned: batches hold "items" in place of images, for `frames.device` to make them.
        rank, world: this process among those that share the epoch.

    Raises:
        ValueError: as `PairStream` does.
    """

    def __init__(
        self,
        plan: Plan,
        store: FrameStore,
        settings: LoaderSettings,
        mixture: Sequence[MixtureRow] | None = None,
        augment: AugmentSettings = NO_AUGMENTATION,
        schedules: Iterable[Schedule] = (),
        redraw: bool = False,
        planned: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(settings, rank, world)
        self.plan, self.store, self.mixture, self.planned = plan, store, mixture, planned
        named = {schedule.name: schedule for schedule in schedules}
        self.maker = ItemMaker(plan, store, settings.size, named, augment, redraw, settings.seed)
        rows, self.remainder = self.epoch_rows(0)
        self._batches = -(-len(self._share(rows)) // self.batch)

    def __len__(self) -> int:
        """Batches that this rank gets per epoch."""
        return self._batches

    def epoch_rows(self, epoch: int) -> tuple[np.ndarray, int]:
        """See `rows_of_epoch`."""
        return rows_of_epoch(self.plan, self.mixture, self.settings, epoch)

    def _share(self, rows: np.ndarray) -> np.ndarray:
        """This rank's part of every batch."""
        place = np.arange(len(rows)) // self.batch
        return rows[place % self.world == self.rank]

    def _run(self, epoch: int, place: int, workers: int) -> Iterator[Batch]:
        rows, _ = self.epoch_rows(epoch)
        mine = self._share(rows)[place::workers].tolist()
        for first in range(0, len(mine), self.batch):
            found = [self._found(row, epoch, rows) for row in mine[first : first + self.batch]]
            if not self.planned:
                yield collate([(self.maker.pair(item), problem) for item, problem in found])
                continue
            items = [item for item, _ in found]
            metas = [self.maker.meta(item).to_dict() for item in items]
            yield {"items": items, "meta": metas, "replaced": [problem for _, problem in found]}

    def _found(self, row: int, epoch: int, drawn: np.ndarray) -> tuple[Item, Problem | None]:
        """The item of a row, or the first that can take its place and for what reason; raises VideoError for none."""
        try:
            return self.maker.item(row, epoch), None
        except VideoError as error:
            for other in replacement_windows(self.plan, row, drawn):
                try:
                    return self.maker.item(other, epoch), (str(error.path), error.reason)
                except VideoError:
                    continue
            raise VideoError(error.path, f"{error.reason}; and no other video of its kind is stored") from error
