"""decord, PyAV and torchcodec on the same clips in one run: are their frames the same, and how fast do they come?

`python -m benchmarks.sources [folder]`; torchcodec takes part where its libraries load.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.command_line import parser, show
from facedeblur.data.corpora.clip import videos_in
from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.video.open import has_decord, open_source
from facedeblur.video.source import VideoError
from facedeblur.video.torchcodec_source import import_torchcodec

FILES = 12


def backends() -> list[str]:
    """Those that can be used here; PyAV, which all are compared with, comes first."""
    names = ["pyav", *(["decord"] if has_decord() else [])]
    try:
        import_torchcodec()
    except RuntimeError:
        return names
    return [*names, "torchcodec"]


def report(clips: Path | None, folder: Path, rounds: int, every: bool = False) -> Iterator[str]:
    """Lines: for each backend its frame rate over PyAV's, and in how many files it gives the very same frames."""
    cv2.setNumThreads(1)
    source = clips or render_demo(folder / "sources", DemoSettings(identities=5, val_identities=1, frames=60))
    found = list(videos_in(source))
    videos = found if every else found[:: max(1, len(found) // FILES)][:FILES]
    names = backends()
    speeds: dict[str, list[float]] = {name: [] for name in names}
    verdicts: dict[str, list[str]] = {name: [] for name in names}
    for video in videos:
        for name in names[1:]:
            verdicts[name].append(compare(video, name))
        usable = ["pyav", *(name for name in names[1:] if verdicts[name][-1] != "refused")]
        best = {name: float("inf") for name in usable}
        for turn in range(rounds):
            for name in usable if turn % 2 == 0 else reversed(usable):
                best[name] = min(best[name], seconds(video, name))
        for name in usable:
            speeds[name].append(best["pyav"] / best[name])
    for name in names[1:]:
        ratios = speeds[name]
        counts = ", ".join(f"{verdicts[name].count(v)} {v}" for v in dict.fromkeys(sorted(verdicts[name])))
        yield (
            f"{f'{name} / pyav, frame rate':<58}{statistics.median(ratios):8.3f}"
            f"  ({min(ratios):.3f} ... {max(ratios):.3f}, {len(ratios)} files)  frames: {counts}"
        )


def compare(video: Path, backend: str) -> str:
    """ "equal", "within rounding" (no pixel of no frame further than 3 of 255 on average, same count), "different", or
    "refused" where the backend says that it cannot read the file. The index gives a file that is not equal to PyAV."""
    worst = 0.0
    try:
        with open_source(video, "pyav") as truth, open_source(video, backend) as other:
            for one, two in zip(truth.frames(), other.frames(), strict=True):
                if one.shape != two.shape:
                    return "different"
                worst = max(worst, float(np.abs(one.astype(np.int16) - two).mean()))
    except VideoError:
        return "refused"
    except ValueError:
        return "different"
    return "equal" if worst == 0 else "within rounding" if worst <= 3 else "different"


def seconds(video: Path, backend: str) -> float:
    """Time to read a video from its first frame to its last."""
    begin = time.perf_counter()
    with open_source(video, backend) as source:
        for _ in source.frames():
            pass
    return time.perf_counter() - begin


if __name__ == "__main__":
    command = parser("sources", __doc__, "folder of videos")
    command.add_argument("--every", action="store_true", help=f"every file, not only {FILES}")
    given = command.parse_args()
    show(partial(report, every=given.every), given)
