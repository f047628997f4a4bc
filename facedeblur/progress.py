"""Progress of long work other than training: a bar with an ETA on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from facedeblur.files import shown

BAR = 24  # characters


def clock(seconds: float) -> str:
    """`75` -> `0:01:15`, as rich's columns show it."""
    return str(timedelta(seconds=max(0, round(float(seconds)))))


class StepProgress:
    """`progress(done, total, name)` for preparation work (rendering, indexing, tracking, planning).

    Shows what is done of what, the time taken `<` the time left, and the last name.
    """

    def __init__(self, title: str, every: float = 10.0):
        self.title, self.every = title, every
        self.started = time.monotonic()
        self.printed = 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int, name: str = "", left: float | None = None) -> None:
        """left: seconds, where they are known better than from the share that is done."""
        now = time.monotonic()
        last = done >= total
        if not last and now - self.printed < (0.1 if self.terminal else self.every):
            return
        self.printed = now
        elapsed = now - self.started
        if left is None:
            left = elapsed / done * (total - done) if done else 0.0
        line = f"{done}/{total}  {clock(elapsed)} < {clock(left)}  {shown(name)}"
        if self.terminal:
            filled = BAR * done // total if total else BAR
            line = f"{self.title}: {'━' * filled}{'╺' * (BAR - filled)} {line}"
            print(f"\r\x1b[K{line[:120]}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(f"{self.title}: {line}", file=sys.stderr, flush=True)


class StageProgress:
    """`progress(stage, done, total, name)`: a StepProgress for each stage of preparation (index, track, plan)."""

    def __init__(self, title: str):
        self.title = title
        self.stages: dict[str, StepProgress] = {}

    def __call__(self, stage: str, done: int, total: int, name: str = "") -> None:
        self.stages.setdefault(stage, StepProgress(f"{stage} {self.title}"))(done, total, name)
