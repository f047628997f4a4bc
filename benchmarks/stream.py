"""The pair stream against bare decord decoding of the same files, and against opening and seeking for every pair."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.command_line import parser, show
from benchmarks.timing import paired
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.data.plans.plan import Plan, PlannedWindow
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.faces.crop import crop, resize

SIZE, FILES, SEEKS = 256, 12, 4
SPARSE = 8  # one window in so many: stretches of some 50 frames that none needs
KERNEL_STRIDE = 21  # one pair in so many frames, under a kernel of the bank
TARGETS = {"pravg7": 0.85, "vla": 0.85, "trajectory": 0.7}


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """Lines with the ratios, median and smallest over at most 12 files that decord reads.

    `clips` is a folder of videos as `data.root`, a plan (.parquet) made by `prepare`, or None: a demo corpus.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = find_plan(clips, folder)
    usable = plan.column("backend") == "decord"
    videos = sorted(set(plan.column("video")[usable]))
    videos = videos[:: max(1, len(videos) // FILES)][:FILES]
    for schedule, target in TARGETS.items():
        by_video = [plan.select((plan.column("video") == v) & (plan.column("schedule") == schedule)) for v in videos]
        by_video = [windows for windows in by_video if len(windows)]
        ratios = [_against_decoding(windows, rounds) for windows in by_video]
        yield _line(f"pair stream / bare decord, frame rate, {schedule}", ratios, f"at least {target}")
        if schedule == "pravg7":
            ratios = [_against_decoding(_sparse(windows), rounds) for windows in by_video]
            yield _line(f"the same, one window in {SPARSE}, {schedule}", ratios, "above the line before")
            ratios = [_against_seeking(windows, rounds) for windows in by_video]
            yield _line(f"pair stream / seeking per pair, {schedule}", ratios, "at least 3 on every file, median 6")


def _against_decoding(windows: Plan, rounds: int) -> float:
    """Frame rate of the stream over that of decord alone, on one video up to the last frame that a window needs."""
    frames = int((windows.column("start") + windows.column("length")).max())
    return _times_faster(lambda: _stream(windows), lambda: _decode(windows.column("video")[0], frames), rounds)


def _sparse(windows: Plan) -> Plan:
    """One window in so many, the last among them: frames between them are passed over."""
    return windows.select(np.argsort(windows.column("start"), kind="stable")[::-SPARSE])


def _against_seeking(windows: Plan, rounds: int) -> float:
    """Pairs per second of the stream over those of opening the video for each; a few pairs stand for all."""
    few = [windows[row] for row in random.Random(0).sample(range(len(windows)), min(SEEKS, len(windows)))]
    faster = _times_faster(lambda: _stream(windows), lambda: [_seek(window) for window in few], rounds)
    return faster * len(windows) / len(few)


def _stream(windows: Plan) -> None:
    for _ in PairStream(windows, LoaderSettings(size=SIZE, batch=8, workers=0)):
        pass


def find_plan(clips: Path | None, folder: Path) -> Plan:
    """The plan of all schedules measured here, as `report` takes `clips`."""
    if clips is not None and clips.suffix == ".parquet":
        return Plan.read(clips)
    demo = DemoSettings(identities=1, val_identities=6, clips_per_identity=1)
    found = [clip for clip in discover(clips or render_demo(folder / "demo", demo)) if clip.split == "val"]
    schedules = [named_schedule(n, stride=KERNEL_STRIDE if n == "trajectory" else None) for n in TARGETS]
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


def _times_faster(stream: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """Of the fastest turns: what else the machine does only adds to a time."""
    ours, theirs = paired(stream, other, rounds)
    return min(theirs) / min(ours)


def _line(name: str, ratios: list[float], target: str) -> str:
    if not ratios:
        return f"{name:<58}     no windows of this schedule"
    return f"{name:<58}{statistics.median(ratios):8.3f}  (min {min(ratios):.3f}, {len(ratios)} files)  {target}"


if __name__ == "__main__":
    show(report, parser("stream", __doc__, "folder of videos, or a plan").parse_args())
