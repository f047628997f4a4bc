"""Worker processes for a stream, and where in the stream training is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import torch
from torch.utils.data import DataLoader

from facedeblur.data.stream.epoch_stream import EpochStream
from facedeblur.data.stream.interleave import Batch, interleave


class TrainLoader:
    """The batches of one epoch after another; every iteration goes on where the last one stopped.

    `len` is the number of batches of the running epoch that a loop which starts now will see: those before
    `set_position` do not count. Workers live as long as the loader, and hear of the next epoch through shared memory.
    """

    def __init__(self, stream: EpochStream, workers: int) -> None:
        self.stream = stream
        self.epoch, self.batch = 0, 0
        self._left_out = 0
        self._workers, self._loader = workers, _data_loader(stream, workers, persistent=True)
        self._waiting: Iterator[Batch] | None = None  # packs, begun at the present position, nothing taken yet

    def set_position(self, epoch: int, batch: int = 0, counted: bool = False) -> None:
        """Goes to batch `batch` of `epoch`; one past the last batch is the start of the next epoch.

        `counted`: the loop itself counts the batches before, as Lightning does when it restores its own checkpoint.
        """
        self.epoch, self.batch = (epoch, batch) if batch < len(self.stream) else (epoch + 1, 0)
        self._left_out = 0 if counted else self.batch
        self._waiting = None

    def __len__(self) -> int:
        return len(self.stream) - self._left_out

    def __iter__(self) -> Iterator[Batch]:
        # Lightning asks for an iterator twice before it takes a batch: beginning twice would decode twice.
        if self._waiting is None:
            self.stream.set_position(self.epoch, self.batch)
            self._waiting = iter(self._loader)
        return self._run(self._waiting)

    def _run(self, packs: Iterator[Batch]) -> Iterator[Batch]:
        for batch in interleave(_taken(packs), self._workers, self.stream.batch):
            self._waiting = None
            self.batch += 1
            if self.batch == len(self.stream):
                self.set_position(self.epoch + 1)
            yield batch


class ValLoader:
    """The same batches every time, from the first."""

    def __init__(self, stream: EpochStream, workers: int) -> None:
        self.stream = stream
        self._workers, self._loader = workers, _data_loader(stream, workers, persistent=False)

    def __len__(self) -> int:
        return len(self.stream)

    def __iter__(self) -> Iterator[Batch]:
        return interleave(_taken(iter(self._loader)), self._workers, self.stream.batch)


def _taken(packs: Iterator[Batch]) -> Iterator[Batch]:
    """The packs; a worker that dies while it hands one over is named, as DataLoader names one that dies otherwise."""
    while True:
        try:
            pack = next(packs)
        except StopIteration:
            return
        except (EOFError, ConnectionError) as error:
            workers = getattr(packs, "_workers", ())
            for worker in workers:
                worker.join(timeout=1)
            dead = ", ".join(str(worker.pid) for worker in workers if not worker.is_alive()) or "unknown"
            raise RuntimeError(
                f"DataLoader worker (pid {dead}) ended in mid-batch: killed, or out of memory?"
            ) from error
        yield pack


def _data_loader(stream: EpochStream, workers: int, persistent: bool) -> DataLoader:
    return DataLoader(
        stream,
        batch_size=None,  # the stream gives whole packs
        collate_fn=_unchanged,
        num_workers=workers,
        multiprocessing_context=_context() if workers else None,
        persistent_workers=persistent and workers > 0,
        generator=torch.Generator(),  # its draws must not move the training's random state
        worker_init_fn=_end_with_parent,
    )


def _end_with_parent(worker: int) -> None:
    """Ends a worker whose training process was killed: as a child of the fork server it would wait for ever.

    Ctrl-C on a terminal reaches it too; it is for that process to end its workers, after a checkpoint.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _without_broken_pipes

    def follow() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, name="parent", daemon=True).start()


def _without_broken_pipes(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For the thread that hands tensors over: who ends in between has a reason, and says it itself."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _context() -> Any:
    """Never a fork of the training process, whose threads (torch, OpenCV, decord) a child would not have.

    A fork server, where there is one, loads this package once for all workers.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["facedeblur.data.stream.pair_stream"])
    return context


def _unchanged(pack: Batch) -> Batch:
    return pack
