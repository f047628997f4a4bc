"""Stored frames against the stream: pairs a second of one core, how far the pairs differ, what a face costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.command_line import parser, show
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.data.frames.device import DeviceFrames
from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.runs import find_runs
from facedeblur.data.frames.store import FrameStore, open_frames
from facedeblur.data.frames.tiles import TileSettings
from facedeblur.data.pairs.augment import NO_AUGMENTATION
from facedeblur.data.plans.plan import Plan
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.stream.frame_stream import FrameStream
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.settings import LoaderSettings

SIZE, SCHEDULE, CLIPS = 128, "pravg21", 12


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """Lines for windows of 21 frames that do not overlap, of at most 12 clips.

    `clips` is a folder of videos as `data.root`, or None: a demo corpus.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    usable = clips if clips is not None and clips.is_dir() else None
    demo = DemoSettings(identities=1, val_identities=6, clips_per_identity=1)
    found = discover(usable or render_demo(folder / "demo", demo))
    found = [clip for clip in found if clip.split == "val"][:CLIPS]
    plan, _ = prepare_plan(found, [named_schedule(SCHEDULE)], folder / "cache")
    tiles = TileSettings(SIZE)
    index = FrameIndex.of(find_runs(plan, found, folder / "cache", PrepareSettings()), tiles)
    begin = time.perf_counter()
    store = open_frames(index, tiles, "memory", folder / "cache")
    once = time.perf_counter() - begin
    settings = LoaderSettings(size=SIZE, batch=8, workers=0)
    stream, frames = PairStream(plan, settings), FrameStream(plan, store, settings)
    times = [(_cpu_seconds(stream), _cpu_seconds(frames)) for _ in range(max(2, rounds))][1:]
    faster = statistics.median(a / b for a, b in times)
    rate = len(plan) / statistics.median(b for _, b in times)
    yield f"{'stored frames / stream, pairs of 21 frames':<58}{faster:8.1f}  at least 10 ({len(plan)} pairs)"
    yield f"{'pairs a second of stored frames, one core':<58}{rate:8.0f}  at least 300"
    yield f"{'mean difference of the pairs, grey levels':<58}{_difference(stream, frames):8.2f}  at most 0.5"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rate = _batches_a_second(plan, store, settings, device)
    yield f"{'the same in batches where the network is, ' + device.type:<58}{rate:8.0f}  aim 5000 on one GPU"
    kilobytes = tiles.bytes / 1000
    yield f"{'faces stored a second, once':<58}{len(index) / once:8.0f}  ({kilobytes:.0f} kB a face of {tiles.side} px)"


def _cpu_seconds(batches: Callable[[], object]) -> float:
    """Processor time of one pass: what else the machine does is not counted."""
    begin = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - begin


def _batches_a_second(plan: Plan, store: FrameStore, settings: LoaderSettings, device: torch.device) -> float:
    """Pairs a second that `frames.device` makes, batch after batch: on a GPU by the clock, else by processor time."""
    frames, stream = DeviceFrames(store, NO_AUGMENTATION), FrameStream(plan, store, settings, planned=True)
    batches = list(stream)
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    frames.images(batches[0]["items"], batches[0]["meta"], device)  # brings the tiles there
    begin = clock()
    for batch in batches:
        images, _ = frames.images(batch["items"], batch["meta"], device)
    images.cpu()  # waits for them
    return len(plan) / (clock() - begin)


def _difference(stream: PairStream, frames: FrameStream) -> float:
    """Mean absolute difference over both images of every pair."""
    images: dict[int, np.ndarray] = {}
    total = []
    for batch in stream:
        for meta, *pair in zip(batch["meta"], batch["blurry"], batch["sharp"], strict=True):
            images[meta["row"]] = torch.stack(pair).numpy().astype(int)
    for batch in frames:
        for meta, *pair in zip(batch["meta"], batch["blurry"], batch["sharp"], strict=True):
            total.append(np.abs(torch.stack(pair).numpy() - images[meta["row"]]).mean())
    return float(np.mean(total))


if __name__ == "__main__":
    show(report, parser("frames", __doc__, "folder of videos").parse_args())
