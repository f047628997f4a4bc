"""A sweep under gpu_pool against the same training runs started by hand, two at a time on the same cores."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.timing import ratio_line

# about a minute each: real runs take longer, and what a sweep adds does not grow with them
LONGER = ("trainer.max_steps=300", "scale.epochs=15", "scale.validate_every=15")
JOB = ("experiment=identity_nohg", "trainer=smoke", *LONGER)
SEEDS, LANES = (0, 1, 2, 3), 2


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "facedeblur", *words]


def run(words: Sequence[str], folder: Path, cores: Sequence[int] = ()) -> None:
    """One process to its end, on `cores` alone where they are given. Raises CalledProcessError."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores and hasattr(os, "sched_setaffinity") else None
    subprocess.run(words, cwd=folder, check=True, capture_output=True, preexec_fn=pin)


def by_hand(folder: Path) -> None:
    """Two shells, each with its half of the cores, that run one job after the other."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    failed: list[BaseException] = []

    def lane(number: int) -> None:
        own = cores[len(cores) * number // LANES : len(cores) * (number + 1) // LANES]
        try:
            for seed in SEEDS[number::LANES]:
                run(command("train", *JOB, f"seed={seed}"), folder, own)
        except BaseException as error:
            failed.append(error)

    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(LANES)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    if failed:
        raise failed[0]


def pool(folder: Path) -> None:
    """The same by one command."""
    devices = ",".join(map(str, range(LANES)))
    launcher = ("hydra/launcher=gpu_pool", f"hydra.launcher.gpus=[{devices}]")
    run(command("train", "-m", *launcher, *JOB, f"seed={','.join(map(str, SEEDS))}"), folder)


def report(folder: Path, rounds: int = 1) -> list[str]:
    """The ratio of their wall times. The corpus is rendered and planned before either starts."""
    os.environ["FACEDEBLUR_CACHE"] = str(folder / "cache")
    run(command("prepare", *JOB), folder)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        ways = [(0, pool), (1, by_hand)]
        for which, way in ways if turn % 2 == 0 else reversed(ways):
            place = folder / f"{way.__name__}{turn}"
            place.mkdir()
            begin = time.perf_counter()
            way(place)
            times[which].append(time.perf_counter() - begin)
    return [ratio_line(f"{len(SEEDS)} jobs on {LANES} devices, gpu_pool / by hand", *times, "at most 1.05")]


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks.launcher", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print("\n".join(report(Path(directory))))
