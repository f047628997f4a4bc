"""Paired timing: two ways of doing the same work take turns, so that a machine's drift meets both alike."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per call of both, in `rounds` turns; who begins alternates, and one turn before is not counted."""
    first(), second()
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for which, call in ((0, first), (1, second)) if turn % 2 == 0 else ((1, second), (0, first)):
            begin = time.perf_counter()
            call()
            times[which].append(time.perf_counter() - begin)
    return times


@contextmanager
def busy_program() -> Iterator[None]:
    """In the block another process computes without pause, on one core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)  # until it does
        yield
    finally:
        process.kill()
        process.wait()


def ratio_line(name: str, numerator: list[float], denominator: list[float], target: str) -> str:
    """`name  ratio (min ... max over the turns)  target`, the ratio being the median over turns."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    spread = f"{min(ratios):.3f} ... {max(ratios):.3f}"
    return f"{name:<58}{statistics.median(ratios):8.3f}  ({spread})  {target}"


def provenance() -> str:
    """Date, processor, cores and commit: a number without them cannot be compared."""
    import os

    import torch

    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d')}  {model}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}  "
        f"torch {torch.__version__}  commit {commit or 'unknown'}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
