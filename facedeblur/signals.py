"""SIGTERM as Ctrl-C: what is ended from outside unwinds in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Within it SIGTERM raises KeyboardInterrupt: temporary files go, the last checkpoint stays, status.json says so.

    Not outside the main thread, where signals are not ours, and not in a job of submitit, which ignores the
    SIGTERM of a preemption and submits the job again on another signal.
    """
    if "SUBMITIT_EXECUTOR" in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt("SIGTERM")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
