"""The sweep at a glance: a live table on a terminal, a line for every change elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facedeblur.progress import clock
from hydra_plugins.facedeblur_launcher._ending import progress
from hydra_plugins.facedeblur_launcher._jobs import GOOD, UNFINISHED, Job

COLOURS = {"running": "cyan", "done": "green", "skipped": "green", "failed": "red", "busy": "red"}
REFRESH_SECONDS = 0.5


def seconds_left(jobs: Sequence[Job], slots: int) -> float | None:
    """Estimate for the whole sweep from the mean time of jobs that this command brought to an end; None before."""
    jobs = [job for job in jobs if not job.shared]
    finished = [job.seconds for job in jobs if job.state == "done"]
    if not finished:
        return None
    mean = statistics.fmean(finished)
    left = [max(0.0, mean - job.seconds) for job in jobs if job.state in UNFINISHED]
    return max(sum(left) / max(1, slots), max(left, default=0.0))


def overview(jobs: Sequence[Job], slots: int) -> str:
    """`3 done, 2 running, 3 waiting, about 0:12:00 left`."""
    counts = Counter(job.state for job in jobs if not job.shared)
    order = ("done", "skipped", "running", "waiting", "failed", "interrupted", "busy")
    text = ", ".join(f"{counts[state]} {state}" for state in order if counts[state])
    left = seconds_left(jobs, slots)
    running = any(job.state in UNFINISHED for job in jobs)
    return f"{text}, about {clock(left)} left" if left is not None and running else text


class JobTable:
    """Shows jobs as they change; call it with all jobs as often as you like. A context manager.

    Args:
        slots: how many jobs run side by side.
        terminal: draw a live table (default: where stderr is a terminal), else print a line per change.
    """

    def __init__(self, slots: int, terminal: bool | None = None):
        self.slots = slots
        self.terminal = sys.stderr.isatty() if terminal is None else terminal
        self.states: dict[Path, str] = {}
        self.drawn = 0.0
        self.live = None

    def __enter__(self) -> JobTable:
        if self.terminal:
            from rich.console import Console
            from rich.live import Live

            # refreshed by hand: a thread of its own would run while children are forked
            self.live = Live(console=Console(stderr=True), auto_refresh=False)
            self.live.start()
        return self

    def __exit__(self, *error) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, jobs: Sequence[Job]) -> None:
        changed = [job for job in jobs if self.states.get(job.folder, "waiting") != job.state]
        self.states.update((job.folder, job.state) for job in jobs)
        if self.live is None:
            for job in changed:
                print(self.line(job, jobs), file=sys.stderr, flush=True)
        elif changed or time.monotonic() - self.drawn > REFRESH_SECONDS:
            self.drawn = time.monotonic()
            self.live.update(self.table(jobs), refresh=True)

    def line(self, job: Job, jobs: Sequence[Job]) -> str:
        """One change in words, with the log of a job that did not end well."""
        text = f"[{job.label}] {job.title}: {job.state}"
        if job.state == "running":
            return f"{text}{' again' if job.resume else ''} on {job.slot}, log {job.log}"
        if job.state not in ("skipped", "busy"):
            text += f" after {clock(job.seconds)}"
        if job.state not in GOOD:
            text += f": {job.reason or 'stopped'}"
            text += f" (log {job.log})" if job.log.exists() else ""
        return f"{text}; {overview(jobs, self.slots)}"

    def table(self, jobs: Sequence[Job]):
        """A rich table of all jobs."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=overview(jobs, self.slots), title_justify="left")
        for column in ("#", "job", "state", "device", "time", "left", "at"):
            table.add_column(column, overflow="fold", no_wrap=column == "#")
        mean = [job.seconds for job in jobs if job.state == "done" and not job.shared]
        for job in jobs:
            at, left = progress(job) if job.state == "running" else ("", "")
            if job.state == "running" and mean and not job.shared:
                left = clock(statistics.fmean(mean) - job.seconds)
            if job.state not in (*GOOD, *UNFINISHED):
                at = f"{job.reason} ({job.log})" if job.reason else str(job.log)
            colour = COLOURS.get(job.state, "default")
            elapsed = "" if job.started is None else clock(job.seconds)
            state = f"[{colour}]{job.state}[/]"
            table.add_row(job.label, escape(job.title), state, job.slot, elapsed, left, escape(at))
        return table
