"""In which order drawn windows are read and leave a worker: decided on indices, before anything is decoded.

The windows of an epoch are laid out video after video (videos shuffled) and forward inside each, and cut into
contiguous parts, one per rank and inside it one per worker. So a worker reads a video forward once; only a video on a
cut is read by two, each its own stretch. Shuffling across videos is left to a buffer whose behaviour is simulated
here: resuming at batch k drops the first windows of the order and decodes only what the others need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facedeblur.data.plans.plan import Plan

_ORDER, _BUFFER = 0x0DE5, 0xB0FF  # tell these random streams from the others of the same (seed, epoch)
_WARM = 4  # the buffer starts to emit when it is 1 / _WARM full, so that an epoch begins soon


@dataclass(frozen=True, eq=False)
class WorkerShare:
    """One worker's share of an epoch, as rows of the plan: `read` in the order they are read, `emit` as they leave."""

    read: np.ndarray
    emit: np.ndarray

    def skip(self, count: int) -> WorkerShare:
        """What is left after the first `count` windows have left: these need not be read again."""
        emit = self.emit[count:]
        return WorkerShare(self.read[np.isin(self.read, emit)], emit)


def reading_order(plan: Plan, chosen: np.ndarray, seed: int, epoch: int, shuffle: bool = True) -> np.ndarray:
    """The rows `chosen`, video after video (in shuffled or, without `shuffle`, alphabetical order), forward in each."""
    videos, video = np.unique(plan.codes("video")[1][chosen], return_inverse=True)
    place = np.arange(len(videos))
    if shuffle:
        place = np.random.default_rng([_ORDER, seed, epoch]).permutation(place)
    start, length = plan.column("start")[chosen], plan.column("length")[chosen]
    return chosen[np.lexsort((chosen, length, start, place[video]))]


def split_evenly(total: int, parts: int) -> list[slice]:
    """`total` items as `parts` contiguous slices, the first ones up to one longer."""
    sizes = [total // parts + (part < total % parts) for part in range(parts)]
    edges = np.concatenate([[0], np.cumsum(sizes)])
    return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def worker_share(
    plan: Plan, rows: np.ndarray, seed: int, epoch: int, rank: int, worker: int, workers: int, buffer: int
) -> WorkerShare:
    """The part of `worker` out of `workers`, where `rows` are the laid-out windows of its rank.

    It holds as many windows as places fall to the worker when all are filled by the workers in turn. `buffer` pairs are
    held by the shuffle buffer; 1 keeps the reading order.
    """
    rows = rows[split_evenly(len(rows), workers)[worker]]
    # A window is complete at its last frame, so that is its place in the reading order.
    stop = plan.column("start")[rows] + plan.column("length")[rows]
    video = plan.codes("video")[1][rows]
    visit = np.cumsum(np.concatenate([[0], video[1:] != video[:-1]])) if len(rows) else np.zeros(0, int)
    read = rows[np.lexsort((rows, stop, visit))]
    leave = shuffle_buffer_order(len(read), buffer, np.random.default_rng([_BUFFER, seed, epoch, rank, worker]))
    return WorkerShare(read, read[leave])


def shuffle_buffer_order(count: int, buffer: int, rng: np.random.Generator) -> np.ndarray:
    """The order (a permutation) in which items 0, 1, ..., count - 1, arriving in turn, leave a shuffle buffer.

    A random item leaves each time. The buffer starts a quarter full and takes two items in for each that leaves until
    it holds `buffer`; so item i never leaves before place i - buffer + 1.
    """
    held: list[int] = []
    order = np.empty(count, np.int64)
    arrived = 0
    for place, chance in enumerate(rng.random(count)):
        room = min(buffer, max(1, buffer // _WARM) + place)
        while arrived < count and len(held) < room:
            held.append(arrived)
            arrived += 1
        leaving = int(chance * len(held))
        order[place] = held[leaving]
        held[leaving] = held[-1]
        held.pop()
    return order
