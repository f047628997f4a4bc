"""Batches out of what several workers hand over: every worker has its share of every batch.

A worker reads its videos one after another, so its shuffle buffer holds windows of few of them at a time; the windows
of a batch are as different as can be when they come from all workers. Handing over costs, though. So workers hand over
packs as large as a batch, and a round, one pack from each worker, is interleaved into that many batches, window by
window: place p of a rank's epoch is worker p % workers' to fill, and batch k is places k * size to (k + 1) * size - 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch

Batch = dict[str, Any]  # tensors and lists, all of one length


def interleave(packs: Iterator[Batch], workers: int, size: int) -> Iterator[Batch]:
    """Batches of `size` out of packs of `size`, which come from worker 0, 1, ... in turn; the last may be smaller.

    The packs of the last round may be smaller, as far as the places that are left fall to their workers.
    """
    while round_ := list(islice(packs, max(1, workers))):
        total = sum(len(pack["meta"]) for pack in round_)
        for start in range(0, total, size):
            yield _joined(round_, range(start, min(start + size, total)))


def _joined(packs: Sequence[Batch], places: range) -> Batch:
    """The windows at `places` of a round; in pinned memory where there is a GPU to copy them to."""
    if len(packs) == 1 and not torch.cuda.is_available():
        return packs[0]  # its windows are all that the places ask for
    return {
        name: _interleaved([pack[name] for pack in packs], places)
        if isinstance(value, torch.Tensor)
        else [packs[place % len(packs)][name][place // len(packs)] for place in places]
        for name, value in packs[0].items()
    }


def _interleaved(tensors: Sequence[torch.Tensor], places: range) -> torch.Tensor:
    first, turns = tensors[0], len(tensors)
    whole = torch.empty(
        (len(places), *first.shape[1:]),
        dtype=first.dtype,
        memory_format=torch.channels_last if first.ndim == 4 else torch.contiguous_format,
        pin_memory=torch.cuda.is_available(),
    )
    for place in places[:turns]:  # the first of each worker
        into = whole[place - places.start :: turns]
        into.copy_(tensors[place % turns][place // turns :][: len(into)])
    return whole
