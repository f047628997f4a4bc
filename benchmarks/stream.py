"""The pair stream against bare decord decoding of the same files, and against opening and seeking for every pair."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.timing import paired
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.data.plan import Plan, PlannedWindow
from facedeblur.data.prepare import prepare_plan
from facedeblur.data.settings import LoaderSettings
from facedeblur.data.stream import PairStream
from facedeblur.faces.crop import crop, resize

SIZE, FILES, SEEKS = 128, 12, 4
SCHEDULES = ("pravg7", "vla")


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """Lines with the ratios, smallest and median over at most 12 files.

    `clips` is a folder of videos as `data.root`, a plan (.parquet) made by `prepare`, or None: a demo corpus.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = _plan(clips, folder)
    for schedule in SCHEDULES:
        chosen = np.flatnonzero(plan.column("schedule") == schedule)
        videos = sorted(set(plan.column("video")[chosen]))
        videos = videos[:: -(-len(videos) // FILES)] if videos else []
        bare, seeking = [], []
        for video in videos:
            windows = plan.select(chosen[plan.column("video")[chosen] == video])
            stream = PairStream(windows, LoaderSettings(size=SIZE, batch=8, workers=0))
            read = int((windows.column("start") + windows.column("length")).max())
            bare.append(_ratio(lambda s=stream: list(s), lambda v=video, n=read: _decode(v, n), rounds))
            some = random.Random(0).sample(range(len(windows)), min(SEEKS, len(windows)))
            each = [windows[row] for row in some]
            share = len(windows) / len(each)
            seeking.append(share * _ratio(lambda s=stream: list(s), lambda e=each: [_seek(w) for w in e], rounds))
        yield _line(f"pair stream / bare decord, frame rate, {schedule}", bare, "at least 0.8")
        yield _line(f"pair stream / seeking per pair, {schedule}", seeking, "at least 3 on every file, 6 at the median")


def _plan(clips: Path | None, folder: Path) -> Plan:
    if clips is not None and clips.suffix == ".parquet":
        return Plan.read(clips)
    found = [clip for clip in discover(clips or render_demo(folder / "demo", DemoSettings())) if clip.split == "val"]
    schedules = [named_schedule(name) for name in SCHEDULES]
    plan, _ = prepare_plan(found, schedules, folder / "cache")
    return plan


def _decode(video: str, frames: int) -> None:
    import decord

    reader = decord.VideoReader(video, ctx=decord.cpu(0), num_threads=1)
    for _ in range(frames):
        reader.next().asnumpy()


def _seek(window: PlannedWindow) -> tuple[np.ndarray, np.ndarray]:
    """The obvious way: open, seek, read the frames of one window, average them."""
    import decord

    reader = decord.VideoReader(window.window.video, ctx=decord.cpu(0), num_threads=1)
    frames = reader.get_batch(range(window.window.start, window.window.stop)).asnumpy()
    mean = frames.astype(np.float32).mean(axis=0)
    sharp = frames[window.window.length // 2]
    return resize(crop(mean, window.crop), SIZE), resize(crop(sharp, window.crop), SIZE)


def _ratio(stream: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """How many times faster the stream is: the median over the turns."""
    ours, theirs = paired(stream, other, rounds)
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def _line(name: str, ratios: list[float], target: str) -> str:
    if not ratios:
        return f"{name:<58}     no windows of this schedule"
    return f"{name:<58}{statistics.median(ratios):8.3f}  (min {min(ratios):.3f}, {len(ratios)} files)  {target}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("clips", type=Path, nargs="?", help="videos or a plan (default: a rendered demo corpus)")
    parser.add_argument("--rounds", type=int, default=3, help="paired turns per ratio")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for text in report(arguments.clips, Path(directory), arguments.rounds):
            print(text, flush=True)
