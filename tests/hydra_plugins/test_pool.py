"""The queue of a sweep: one job at a time on every device, what becomes of failed ones, and what is shown."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

import pytest

from facedeblur.files import write_json
from facedeblur.status import next_step, read_status
from hydra_plugins.facedeblur_launcher._devices import Slot
from hydra_plugins.facedeblur_launcher._ending import progress
from hydra_plugins.facedeblur_launcher._pool import Pool
from hydra_plugins.facedeblur_launcher._table import JobTable, overview

from .children import fake_command, fake_jobs


def test_every_device_has_one_job_at_a_time_and_failures_stay_alone(tmp_path):
    jobs = fake_jobs(tmp_path, 6)
    write_json(jobs[2].folder / "status.json", {"state": "failed", "reason": "an earlier error"})
    jobs[5].state = "skipped"
    seen = []
    command = fake_command({1: 3, 3: -9}, seconds=0.3)
    Pool(jobs, [Slot("gpu 0", "0"), Slot("gpu 1", "GPU-b")], command, lambda jobs: seen.append(overview(jobs, 2))).run()
    assert [job.state for job in jobs] == ["done", "failed", "done", "failed", "done", "skipped"]
    assert jobs[1].reason == "the last words" and jobs[1].exit == 3
    assert jobs[3].reason == "killed by SIGKILL" and jobs[3].exit == -signal.SIGKILL
    spans = [json.loads((job.folder / "child.json").read_text()) for job in jobs[:5]]
    assert {span["mask"] for span in spans} == {"0", "GPU-b"}
    for mask in ("0", "GPU-b"):
        own = sorted((span["started"], span["ended"]) for span in spans if span["mask"] == mask)
        assert all(before[1] <= after[0] for before, after in zip(own, own[1:], strict=False))
    assert "the last words" in jobs[0].log.read_text()
    record = json.loads((jobs[3].folder / "job.json").read_text())
    assert record["state"] == "failed" and record["overrides"] == ["seed=3"]
    assert not (jobs[5].folder / "job.log").exists()
    assert seen[-1] == "3 done, 1 skipped, 2 failed" and any("2 running" in line for line in seen)


def test_a_killed_run_is_marked_in_its_status(tmp_path):
    (job,) = fake_jobs(tmp_path, 1)
    script = (
        "import json, os, sys; from pathlib import Path; folder = Path(sys.argv[1]);"
        "(folder / 'status.json').write_text(json.dumps({'state': 'running', 'pid': os.getpid(), 'step': 5}));"
        "os.kill(os.getpid(), 9)"
    )
    Pool([job], [Slot("cpu", "")], lambda job: [sys.executable, "-c", script, str(job.folder)]).run()
    status = read_status(job.folder)
    assert status["state"] == "failed" and status["reason"] == "killed by SIGKILL" and status["step"] == 5
    assert next_step(job.folder, True) == "resume"


def test_a_job_that_cannot_be_started_is_marked_and_the_rest_goes_on(tmp_path):
    jobs = fake_jobs(tmp_path, 2)
    jobs[0].folder.write_text("a file where the folder should be")
    Pool(jobs, [Slot("cpu", "")], fake_command(seconds=0)).run()
    assert [job.state for job in jobs] == ["failed", "done"]
    assert "could not be started" in jobs[0].reason


def test_a_lost_device_gets_no_more_jobs(tmp_path, capsys):
    jobs = fake_jobs(tmp_path, 4)
    slots = [Slot("gpu 0", "0"), Slot("gpu 1", "1")]
    Pool(jobs, slots, fake_command({0: 1}), usable=lambda slot: slot.mask != "0").run()
    assert [job.state for job in jobs] == ["failed", "done", "done", "done"]
    assert {job.mask for job in jobs[1:]} == {"1"}
    jobs = fake_jobs(tmp_path / "all", 2)
    Pool(jobs, slots[:1], fake_command({0: 1}), usable=lambda slot: False).run()
    assert jobs[1].state == "failed" and jobs[1].reason == "no device is left"
    assert "gpu 0: does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_the_children_and_starts_no_more(tmp_path, number):
    polite = (
        "import signal, sys, time; signal.signal(15, lambda *_: (print('ended'), sys.exit(130)));"
        "print('ready', flush=True); time.sleep(60)"
    )
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    jobs = fake_jobs(tmp_path, 3)
    handler = signal.default_int_handler
    before = signal.signal(number, handler)  # in the background of a shell SIGINT is ignored
    sent = threading.Event()

    def when_ready(jobs):
        logs = [job.log.read_text() if job.log.exists() else "" for job in jobs[:2]]
        if all("\nready" in log for log in logs) and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), number)

    def command(job):
        return [sys.executable, "-c", deaf if job.number else polite]

    try:
        with pytest.raises(KeyboardInterrupt):
            Pool(jobs, [Slot("a", ""), Slot("b", "")], command, when_ready, grace=0.5).run()
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert [job.state for job in jobs] == ["interrupted", "interrupted", "waiting"]
    assert [job.exit for job in jobs] == [130, -signal.SIGKILL, None]
    assert "ended" in jobs[0].log.read_text() and not jobs[2].folder.exists()


def test_no_child_outlives_an_error_of_the_pool(tmp_path):
    jobs = fake_jobs(tmp_path, 1)

    def watch(jobs):
        if jobs[0].state == "running":
            raise RuntimeError("the display broke")

    with pytest.raises(RuntimeError, match="display"):
        Pool(jobs, [Slot("cpu", "")], fake_command(seconds=60), watch).run()
    assert jobs[0].state == "interrupted" and jobs[0].exit == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be shared on this system")
def test_children_keep_to_their_cores(tmp_path):
    (job,) = fake_jobs(tmp_path, 1)
    core = max(os.sched_getaffinity(0))
    script = "import os, time; time.sleep(0.3); print('cores', sorted(os.sched_getaffinity(0)))"
    Pool([job], [Slot("cpu", "", (core,))], lambda job: [sys.executable, "-c", script]).run()
    assert f"cores [{core}]" in job.log.read_text()


def test_a_line_for_every_change(tmp_path, capsys):
    jobs = fake_jobs(tmp_path, 2)
    with JobTable(1, terminal=False) as table:
        Pool(jobs, [Slot("cpu", "")], fake_command({1: 1}, seconds=0), table).run()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "seed=0: running on cpu" in lines[0] and "seed=0: done after" in lines[1] and "left" in lines[1]
    assert "failed" in lines[3] and "the last words" in lines[3] and str(jobs[1].log) in lines[3]


def test_the_table_shows_every_job(tmp_path, capsys):
    from rich.console import Console

    jobs = fake_jobs(tmp_path, 3)
    jobs[0].state, jobs[0].started, jobs[0].ended = "done", 0.0, 75.0
    jobs[1].state, jobs[1].started, jobs[1].slot = "running", time.time() - 5, "gpu 0"
    jobs[1].folder.mkdir()
    jobs[1].log.write_text("final: step 20/400  epoch 1  adv 0.7  12.5 img/s  0:30 < 9:30\n")
    assert progress(jobs[1]) == ("final: step 20/400", "9:30")
    Console(width=160).print(JobTable(1).table(jobs))
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("seed=2", "gpu 0", "step 20/400", "0:01:15", "about 0:02:25 left"))
