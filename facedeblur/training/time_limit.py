"""`trainer.minutes`: the time of a whole run, its planning, first stage and validations included."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from facedeblur.errors import UsageError


class TimeIsUp(KeyboardInterrupt):
    """The deadline passed; unwinds as Ctrl-C does, so that child processes and temporary files go."""


class OutOfTimeError(UsageError):
    """The limit ended a run before its own stage began: there is nothing to score or to ship."""


def deadline_of(minutes: float | None, start: float) -> float | None:
    """The moment (of time.monotonic) that lies `minutes` after `start`; None without a limit."""
    return None if minutes is None else start + 60 * minutes


def earlier(*deadlines: float | None) -> float | None:
    """The first of several deadlines; None where there is none."""
    return min((moment for moment in deadlines if moment is not None), default=None)


def is_over(deadline: float | None) -> bool:
    """Whether the deadline has passed."""
    return deadline is not None and time.monotonic() >= deadline


@contextmanager
def interrupted_at(deadline: float | None) -> Iterator[None]:
    """Within it `TimeIsUp` is raised in the main thread once `deadline` has passed, wherever it is.

    For work that keeps what it has done by itself, as planning does. Elsewhere than in the main thread, and where the
    system has no such timer (Windows), nothing is interrupted.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if deadline is None or not in_main or not hasattr(signal, "setitimer"):
        yield
        return

    def over(number: int, frame: object) -> None:
        raise TimeIsUp("trainer.minutes")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(1e-3, deadline - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
