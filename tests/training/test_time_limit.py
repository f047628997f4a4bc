"""A run's deadline: what it interrupts, and what it leaves alone."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from facedeblur.training.time_limit import TimeIsUp, deadline_of, earlier, interrupted_at, is_over


def test_deadlines_are_counted_from_the_start_and_the_first_counts():
    assert deadline_of(None, 5.0) is None and deadline_of(0.5, 5.0) == 35.0
    assert earlier(None, None) is None and earlier(None, 3.0, 2.0) == 2.0
    assert is_over(time.monotonic()) and not is_over(time.monotonic() + 60) and not is_over(None)


def test_work_that_is_too_slow_unwinds_and_the_timer_goes():
    began, cleaned = time.monotonic(), []
    with pytest.raises(TimeIsUp), interrupted_at(began + 0.05):
        try:
            time.sleep(30)
        finally:
            cleaned.append(True)
    assert time.monotonic() - began < 10 and cleaned
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with interrupted_at(time.monotonic() + 60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0) and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_other_threads_and_no_limit_are_left_alone():
    done = []

    def work() -> None:
        with interrupted_at(time.monotonic()):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with interrupted_at(None):
        done.append(True)
    assert done == [True, True]
