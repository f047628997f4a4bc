"""The dataset of `facedeblur.pairs` against the stream of training, and what `import facedeblur` takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import torch
from torch.utils.data import DataLoader

from benchmarks.command_line import parser, show
from benchmarks.timing import paired, ratio_line
from facedeblur.data.dataset import Pairs
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

BLUR, SIZE, BATCH = "pravg7", 128, 16


def report(clips: Path | None, folder: Path, rounds: int) -> Iterator[str]:
    """An epoch both ways, in this process and on one thread. `clips`: a folder of videos; None renders some."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    given = {"cache": folder / "cache", "windows": 96}
    pairs = Pairs(clips, BLUR, SIZE, **given) if clips else Pairs("demo", BLUR, SIZE, identities=4, **given)
    settings = LoaderSettings(size=SIZE, batch=BATCH, epoch_windows=96, strength=0.0)
    mixture = [MixtureRow(None, ((BLUR, 1.0),), weight=1.0)]
    stream = PairStream(pairs.plan, settings, mixture, schedules=pairs.schedules)

    def dataset() -> int:
        return sum(len(blurry) for blurry, _, _ in DataLoader(pairs, batch_size=BATCH))

    def batches() -> int:
        return sum(len(batch["blurry"]) for batch in stream)

    if dataset() != batches():
        raise SystemExit("the dataset and the stream have epochs of different lengths")
    streamed, plain = paired(batches, dataset, rounds)
    yield ratio_line("facedeblur.pairs / pair stream, rate, PrAvg 7, 128 px", streamed, plain, "at least 0.8")
    yield f"{'import facedeblur, seconds beyond an empty Python':<58}{import_seconds():8.3f}  below 0.1"


def import_seconds(repeats: int = 5) -> float:
    """The fastest of some processes that import the package, less the fastest of those that import nothing."""

    def fastest(code: str) -> float:
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - begin)
        return min(times)

    return fastest("import facedeblur") - fastest("")


if __name__ == "__main__":
    show(report, parser("library", __doc__, "folder of videos").parse_args())
