"""How many processes work at the same time."""

from __future__ import annotations

import os

from facedeblur.cores import job_count, usable_cores


def test_auto_is_a_process_a_core_of_this_process_share(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert usable_cores() == job_count("auto") == 3
    assert [job_count(jobs) for jobs in (0, 4, "2")] == [0, 4, 2]
