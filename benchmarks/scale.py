"""The paper's scale, simulated: 4,000 videos, 10 million frames and 460,000 windows that never were decoded.

A plan of that size is written and opened again; processes like the stream's workers open it, draw an epoch and ask for
the landmarks of what they read; and the epoch is dealt out to 8 ranks of 8 workers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from facedeblur.data.plans.landmarks import Landmarks
from facedeblur.data.plans.plan import LIGHT, Plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

VIDEOS, FRAMES, WINDOWS = 4_000, 10_000_000, 460_000
RANKS, WORKERS = 8, 8


def simulated_plan(videos: int = VIDEOS, frames: int = FRAMES, windows: int = WINDOWS, seed: int = 0) -> Plan:
    """A plan of so many windows: 300 of 460 forward, 100 reversed, 60 of a second corpus; videos differ in length."""
    rng = np.random.default_rng(seed)
    lengths = np.maximum(500, rng.dirichlet(np.full(videos, 4.0)) * frames).astype(int)
    other = videos - videos * 60 // 460  # the last videos are the second corpus
    rest = windows * 60 // 460
    groups = ((windows - rest, lengths[:other]), (rest, lengths[other:]))
    counts = np.concatenate([rng.multinomial(count, group / group.sum()) for count, group in groups])
    video = np.repeat(np.arange(videos), counts)
    length = rng.choice([7, 9, 11, 15, 21], windows)
    start = (rng.random(windows) * (lengths[video] - length)).astype(int)
    order = np.lexsort((start, video))
    start, length = start[order], length[order]
    reverse = np.zeros(windows, bool)
    forward = np.flatnonzero(video < other)
    reverse[rng.choice(forward, windows * 100 // 460, replace=False)] = True
    table = pa.table(
        {
            "corpus": _named(["twomf2", "lrw"], (video >= other).astype(np.int32)),
            "identity": _named([f"person {i}" for i in range(videos)], video),
            "split": _named(["train"], np.zeros(windows)),
            "video": _named([f"/data/faces/a folder of videos/clip_{i:05}.mp4" for i in range(videos)], video),
            "backend": _named(["decord"], np.zeros(windows)),
            "content": _named([f"{i:024x}" for i in range(videos)], video),
            "schedule": _named(["vla"], np.zeros(windows)),
            "response": _named(["identity"], np.zeros(windows)),
            "start": start,
            "length": length,
            "reverse": reverse,
            "kernel_seed": np.full(windows, -1),
            "x": rng.integers(0, 400, windows),
            "y": rng.integers(0, 200, windows),
            "side": rng.integers(120, 400, windows),
            "psnr": rng.normal(33, 5, windows),
            "ssim": rng.uniform(0.8, 1, windows),
            "shot": np.zeros(windows),
            "stop": _named(["flow"], np.zeros(windows)),
        }
    )
    landmarks = rng.random((windows, 68, 2), np.float32) * 400
    return Plan(table.cast(LIGHT), Landmarks.of(landmarks, windows))


def mixture(windows: int = WINDOWS) -> tuple[MixtureRow, ...]:
    """The paper's shares of all windows that a simulated plan has (section 5.1)."""
    reverse, rest = windows * 100 // 460, windows * 60 // 460
    schedule = (("vla", 1.0),)
    return (
        MixtureRow("twomf2", schedule, count=windows - reverse - rest),
        MixtureRow("twomf2", schedule, reverse=True, count=reverse),
        MixtureRow("lrw", schedule, count=rest),
    )


def _named(names: list[str], codes: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))


def dealt(stream: PairStream, epoch: int, ranks: int, workers: int) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """[rank][worker] -> rows in the order they leave, and all rows of the epoch."""
    rows, _ = stream.epoch_rows(epoch)
    parts = []
    for rank in range(ranks):
        stream.rank, stream.world = rank, ranks
        parts.append([stream.part(rows, epoch, worker, workers).emit for worker in range(workers)])
    return parts, rows


def batches(parts: list[list[np.ndarray]], batch: int) -> Iterator[np.ndarray]:
    """The rows of every step over all ranks, `batch` windows from each: its workers fill the places in turn."""
    ranks = []
    for workers in parts:
        rows = np.empty(sum(map(len, workers)), np.int64)
        for worker, emit in enumerate(workers):
            rows[worker :: len(workers)] = emit
        ranks.append(rows)
    for start in range(0, len(ranks[0]), batch):
        yield np.concatenate([rows[start : start + batch] for rows in ranks])


def diversity(plan: Plan, parts: list[list[np.ndarray]], batch: int) -> float:
    """Videos per window of a step over all ranks, on average."""
    video = plan.codes("video")[1]
    return float(np.mean([len(np.unique(video[rows])) / len(rows) for rows in batches(parts, batch) if len(rows)]))


def memory() -> int:
    """Private bytes of this process: what another one like it costs the machine."""
    fields = dict(line.split(":") for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty")) * 1024


def _work(path: str | None, pipe) -> None:
    """A worker: imports what workers import, and with a plan does what they do with one before they decode."""
    import facedeblur.data.stream.pair_stream  # noqa: F401

    held = []
    if path:
        stream = PairStream(Plan.read(path), LoaderSettings(size=256, batch=2 * RANKS), mixture(), world=RANKS)
        rows, _ = stream.epoch_rows(1)
        part = stream.part(rows, 1, 0, WORKERS)
        held = [stream, rows, part]
        for row in part.read.tolist():
            stream.plan[row]
    pipe.send(memory())
    pipe.recv()
    del held


def worker_bytes(path: Path | None) -> int:
    """Private memory of a fresh worker process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(str(path) if path else None, theirs), daemon=True)
    process.start()
    used = ours.recv()
    ours.send(None)
    process.join()
    return used


def report(folder: Path) -> Iterator[str]:
    """The figures of the simulation, one line each."""
    path = folder / "plan.parquet"
    simulated_plan().write(path)
    begin = time.perf_counter()
    plan = Plan.read(path)
    stream = PairStream(plan, LoaderSettings(size=256, batch=2 * RANKS), mixture(), world=RANKS)
    seconds = time.perf_counter() - begin
    size = path.stat().st_size / 2**20
    yield f"{f'{len(plan)} windows ({size:.0f} MB) opened and drawn, seconds':<58}{seconds:8.2f}  below 10"
    idle, working = worker_bytes(None), worker_bytes(path)
    yield f"{'a worker above an idle one, MB':<58}{(working - idle) / 2**20:8.0f}  below 300"
    parts, rows = dealt(stream, 1, RANKS, WORKERS)
    given = np.concatenate([emit for rank in parts for emit in rank])
    same = len(given) == len(rows) == len(np.unique(given))
    yield f"{f'{RANKS} ranks x {WORKERS} workers: each window once':<58}{'yes' if same else 'NO':>8}"
    for batch in (2, 16):
        share = diversity(plan, parts, batch)
        yield f"{f'videos per window of a step of {batch * RANKS}':<58}{share:8.3f}  at least 0.75"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in report(Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
