"""What every stream of training data has: a place in the training, and a share of it for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import torch
from torch.utils.data import IterableDataset, get_worker_info

from facedeblur.data.stream.interleave import Batch
from facedeblur.data.stream.settings import LoaderSettings


class EpochStream(IterableDataset):
    """Batches, ready made; iterating gives what is left of the epoch that `set_position` names.

    A worker among several gives its windows of those batches, in packs (see `stream.interleave`).
    Subclasses write `__len__`, the batches that this rank gets per epoch, and `_run`.

    Args:
        rank, world: this process among those that share the epoch.

    Raises:
        ValueError: a batch that the ranks cannot share.
    """

    def __init__(self, settings: LoaderSettings, rank: int, world: int) -> None:
        self.settings, self.rank, self.world = settings, rank, world
        self.batch = settings.local_batch(world)
        # Shared memory: workers live longer than an epoch and read here which one to begin.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        raise NotImplementedError

    def set_position(self, epoch: int, batch: int = 0) -> None:
        """The next iteration begins with batch `batch` of epoch `epoch`."""
        self._position[:] = torch.tensor([epoch, batch])

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = this_worker()
        # Read now, not at the first `next`: the training process may have moved on by then.
        epoch, batch = self._position.tolist()
        # The loader asks worker 0 first, so the worker of a place changes with the batch that is resumed at.
        return self._run(epoch, batch * self.batch + worker, workers)

    def _run(self, epoch: int, place: int, workers: int) -> Iterator[Batch]:
        """What fills places `place`, `place` + `workers`, ... of this rank's epoch, in packs of a batch's size."""
        raise NotImplementedError


def this_worker() -> tuple[int, int]:
    """This process's number among the loader's workers, and their count; a worker computes in one thread."""
    if (info := get_worker_info()) is None:
        return 0, 1
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return info.id, info.num_workers
