"""How many CPU cores this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The cores of this process's share where the system says so, else all of the machine's; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def job_count(jobs: int | str) -> int:
    """Processes that work at the same time: as asked, or one per usable core for "auto"."""
    return usable_cores() if jobs == "auto" else int(jobs)
