"""An epoch from the cache of finished pairs against the same one from the videos, and what a pair costs on disk."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import cv2
import torch

from benchmarks.command_line import parser, show
from benchmarks.stream import SIZE, find_plan
from benchmarks.timing import paired
from facedeblur.data.pairs.store import PairStore, open_store
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

SCHEDULE = "vla"


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """For both image formats: times faster, and bytes of a pair. `clips` as in `benchmarks.stream`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = find_plan(clips, folder)
    plan = plan.select(plan.where(schedule=SCHEDULE))
    for share, what in ((1.0, "every window"), (0.1, "a tenth of the windows")):
        drawn = max(8, int(share * len(plan)) // 8 * 8)
        for image in ("png", "jpeg"):
            store = open_store(plan, folder / "cache", SIZE, image)
            plain, cached = paired(lambda n=drawn: _epoch(plan, n), lambda n=drawn, s=store: _epoch(plan, n, s), rounds)
            faster = statistics.median(a / b for a, b in zip(plain, cached, strict=True))
            name = f"epoch of {what} from videos / from the {image} cache"
            yield f"{name:<58}{faster:8.2f}  ({store.bytes_per_pair() / 1000:.1f} kB a pair of {SIZE} px)"


def _epoch(plan: Plan, windows: int, store: PairStore | None = None) -> None:
    settings = LoaderSettings(size=SIZE, batch=8, workers=0, epoch_windows=windows)
    for _ in PairStream(plan, settings, (MixtureRow(None, ((SCHEDULE, 1.0),), weight=1.0),), store=store):
        pass


if __name__ == "__main__":
    show(report, parser("cache", __doc__, "folder of videos, or a plan").parse_args())
