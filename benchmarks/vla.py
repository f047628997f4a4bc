"""The three stop conditions of VLA on real clips: what each ends, and what happens to L without it.

`python -m benchmarks.vla <folder of videos> [--cache folder]` plans the clips eight times: with all conditions, without
one, and with one alone. Nothing is timed; the tracks come from the cache where `prepare` has left them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.plans.plan import Plan
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.progress import StageProgress

CONDITIONS = ("overlap", "quality", "flow")
VARIANTS = {
    "all three": CONDITIONS,
    **{f"without {name}": tuple(c for c in CONDITIONS if c != name) for name in CONDITIONS},
    **{f"{name} alone": (name,) for name in CONDITIONS},
}
BINS = (7, 11, 15, 21, 31, 41, 51)  # lower edges for L


def report(clips: Path, cache: Path, jobs: int) -> Iterator[str]:
    """A Markdown table, one line per variant."""
    found = [clip for clip in discover(clips, val_fraction=0.0) if clip.split == "train"]
    edges = " | ".join(f"L {low}-{high - 2}" for low, high in zip(BINS, (*BINS[1:], 53), strict=True))
    yield f"| conditions | windows | clips | mean L | mean SSIM | ended by | {edges} |"
    yield "|---" * (6 + len(BINS)) + "|"
    for name, active in VARIANTS.items():
        switches = {condition: condition in active for condition in CONDITIONS}
        plan, _ = prepare_plan(found, [named_schedule("vla", vla=switches)], cache, jobs, progress=StageProgress(name))
        yield line(name, plan, len(found))


def line(name: str, plan: Plan, clips: int) -> str:
    length, ssim = plan.column("length"), plan.column("ssim")
    stops = Counter(plan.column("stop").tolist())
    ended = ", ".join(f"{stop} {100 * count / len(plan):.1f} %" for stop, count in stops.most_common())
    counts, _ = np.histogram(length, [*BINS, 53])
    cells = " | ".join(f"{100 * count / len(plan):.1f} %" for count in counts)
    share = 100 * len(set(plan.column("video"))) / clips
    return f"| {name} | {len(plan)} | {share:.1f} % | {length.mean():.1f} | {ssim.mean():.3f} | {ended} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vla", description=__doc__)
    parser.add_argument("clips", type=Path, help="folder of videos, one sub-folder per identity")
    parser.add_argument("--cache", type=Path, help="folder where `prepare` left its tracks (data.cache)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that plan at the same time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for text in report(arguments.clips, arguments.cache or Path(directory), arguments.jobs):
            print(text, flush=True)


if __name__ == "__main__":
    main()
