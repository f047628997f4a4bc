"""SIGTERM ends a run in order, unless a scheduler's wrapper decides what signals mean."""

from __future__ import annotations

import os
import signal

import pytest

from facedeblur.signals import sigterm_as_interrupt


def test_sigterm_is_an_interruption_and_the_old_handler_comes_back(monkeypatch):
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_job_of_submitit_keeps_its_own_handler(monkeypatch):
    """It ignores the SIGTERM of a preemption and submits the job again on another signal."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_as_interrupt():
        assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGTERM) is before
