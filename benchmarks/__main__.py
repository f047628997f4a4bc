"""`python -m benchmarks [--clips FOLDER] [--deblur CLIP] [--rounds N]`: every ratio of the README, in one run."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import (
    cache,
    deblurring,
    evaluation,
    frames,
    inference,
    launcher,
    library,
    methods,
    neighbour,
    networks,
    prepare,
    scale,
    sources,
    stream,
    timing,
    training,
)


def help_seconds(repeats: int = 5) -> float:
    """The fastest of some starts of `facedeblur --help`, as a process."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "facedeblur", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--clips", type=Path, help="videos to stream (default: a rendered demo corpus)")
    parser.add_argument("--deblur", type=Path, help="a video with a face to deblur (default: a rendered one)")
    parser.add_argument("--rounds", type=int, default=5, help="paired turns per ratio")
    parser.add_argument("--quick", action="store_true", help="leave out the sweep, which takes minutes")
    arguments = parser.parse_args()
    print(timing.provenance())
    print(f"{'facedeblur --help, seconds':<58}{help_seconds():8.3f}  below 0.5")
    for part in (training, inference, neighbour):
        for line in part.report(arguments.rounds):
            print(line, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for part in (stream, frames, cache, evaluation):
            for line in part.report(arguments.clips, Path(folder), arguments.rounds):
                print(line, flush=True)
        folder_of_videos = arguments.clips if arguments.clips and arguments.clips.is_dir() else None
        for line in library.report(folder_of_videos, Path(folder), arguments.rounds):
            print(line, flush=True)
        for part in (prepare, sources):
            for line in part.report(folder_of_videos, Path(folder), 2):
                print(line, flush=True)
        for line in methods.report():
            print(line, flush=True)
        for line in scale.report(Path(folder)):
            print(line, flush=True)
        for line in deblurring.report(arguments.deblur, Path(folder), arguments.rounds):
            print(line, flush=True)
    for line in networks.report():
        print(line, flush=True)
    if not arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            for line in launcher.report(Path(folder)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
