"""What goes wrong around a sweep: refused before anything is written, or met while the rest goes on."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import time

import pytest
from filelock import FileLock
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from facedeblur.cli import main
from facedeblur.files import write_json
from facedeblur.report.sweep.read import read_sweep
from hydra_plugins.facedeblur_launcher._devices import Gpu, whole_mask
from hydra_plugins.facedeblur_launcher._jobs import Job, prepare_job, record_sweep
from hydra_plugins.facedeblur_launcher._pool import Pool
from hydra_plugins.facedeblur_launcher.gpu_pool import GpuPoolLauncher


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`command("sweep", "ablations", ...)` in an empty folder -> its exit status; jobs end at once, well."""
    assert any(plugin.__name__ == "GpuPoolLauncher" for plugin in Plugins.instance().discover(Launcher))
    module = sys.modules["hydra_plugins.facedeblur_launcher.gpu_pool"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))  # Hydra installs its own
    script = "import sys; open(sys.argv[1] + '/status.json', 'w').write('{\"state\": \"done\"}')"
    monkeypatch.setattr(module, "child_command", lambda job, *rest: [sys.executable, "-c", script, str(job.folder)])
    monkeypatch.setattr(module, "shared_command", lambda job: [sys.executable, "-c", ""])

    def run(*words):
        try:
            return main(list(words))
        except SystemExit as error:
            return error.code

    return run


ON_CPU = ("hydra/launcher=gpu_pool", "hydra.launcher.gpus=[]")


@pytest.mark.parametrize(
    ("words", "says"),
    (
        (["sweep", "ablations", "experiment=final,nope", "seed=0"], ["experiment=nope", "no_identity"]),
        (["sweep", "ablations", "loss.projektion=3"], ["did you mean loss.projection?"]),
        (["sweep", "ablations", "loss.projektion=3,4"], ["loss.projektion=3", "did you mean loss.projection?"]),
        (["train", "-m", *ON_CPU, "experiment=final,nope"], ["experiment=nope", "no_identity"]),
        (["train", "-m", "experiment=final,nope"], ["experiment=nope", "no_identity"]),  # Hydra's own launcher
        (["train", "--multirun", "loss.projektion=3"], ["did you mean loss.projection?"]),
        (["train", "-m", "seed=0,1", "loss.projection=3,"], ["loss.projection=3,"]),
        (["train", "-m", "loss.projection=3,x"], ["loss.projection=x: loss.projection: must be a number"]),
        (["evaluate", "-m", "sise=3,4"], ["sise=3", "did you mean size?"]),
    ),
)
def test_what_does_not_compose_is_one_line_and_nothing_is_started(command, tmp_path, capsys, words, says):
    assert command(*words) == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and not captured.out
    assert captured.err.startswith("facedeblur: error: ") and all(text in captured.err for text in says)
    assert list(tmp_path.rglob("*")) == []


def test_a_refused_sweep_leaves_the_folder_as_it_was(command, tmp_path, capsys):
    words = ("train", "-m", *ON_CPU, "experiment=identity_nohg", "seed=0,1", "output=out")
    assert command(*words) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert command(*words, "loss.projection=4") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "+loss.projection=4" in message and "output=" in message and "sweep.name=" in message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert command(*words, "hydra.launcher.jobs_per_gpu=0") == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    with FileLock(tmp_path / "out" / "sweep" / ".gpu_pool.lock"):
        assert command(*words, "jobs=3") == 2
    assert "another sweep" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_finished_run_may_be_made_longer_and_nothing_else(command, tmp_path):
    words = ("train", "-m", *ON_CPU, "experiment=identity_nohg", "seed=0", "output=out")
    assert command(*words, "trainer.epochs=2") == 0
    assert command(*words, "trainer.epochs=3") == 2
    assert command(*words, "trainer.epochs=3", "hydra.launcher.skip_done=false", "loss.projection=4") == 2
    assert command(*words, "trainer.epochs=3", "scale.epochs=3", "hydra.launcher.skip_done=false") == 0
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out").rglob("identity_nohg/*/job.json"))
    assert "trainer.epochs=3" in record["overrides"] and record["resume"] is True


POOL = """
import sys
from pathlib import Path
from hydra_plugins.facedeblur_launcher._devices import Slot
from hydra_plugins.facedeblur_launcher._jobs import Job
from hydra_plugins.facedeblur_launcher._pool import Pool
child = (
    "import os, signal, sys, time; signal.signal(15, lambda *_: (print('ended in order', flush=True), sys.exit(130)));"
    "print('pid', os.getpid(), flush=True); time.sleep(60)"
)
Pool([Job(0, [], Path(sys.argv[1]))], [Slot("gpu 0", "0")], lambda job: [sys.executable, "-c", child]).run()
"""


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_jobs_do_not_outlive_a_killed_launcher(tmp_path):
    pool = subprocess.Popen([sys.executable, "-c", POOL, str(tmp_path / "s0")])
    log = tmp_path / "s0" / "job.log"
    until(lambda: log.exists() and "\npid " in log.read_text())
    pool.kill()
    pool.wait()
    until(lambda: "ended in order" in log.read_text())


def test_the_device_of_a_job_that_still_runs_is_not_given_away(tmp_path):
    status = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "heartbeat": time.time() + 600}
    before = Job(0, [], tmp_path / "s0", mask="1", state="running")
    before.record()
    write_json(before.folder / "status.json", status)
    jobs = [Job(number, [], tmp_path / f"s{number}") for number in range(3)]
    for job in jobs:
        prepare_job(job, skip_done=True)
    assert [(job.state, job.mask) for job in jobs] == [("busy", "1"), ("waiting", ""), ("waiting", "")]
    launcher = GpuPoolLauncher(gpus=[0, 1])
    assert {slot.mask for slot in launcher._slots(jobs)} == {"0"}
    launcher = GpuPoolLauncher(gpus=[0, 1], jobs_per_gpu=2)
    assert sorted(slot.mask for slot in launcher._slots([*jobs, Job(3, [], tmp_path / "s3")])) == ["0", "0", "1"]
    write_json(before.folder / "status.json", status | {"host": "elsewhere"})  # its device is not one of ours
    prepare_job(elsewhere := Job(0, [], tmp_path / "s0"), skip_done=True)
    assert (elsewhere.state, elsewhere.mask) == ("busy", "")


def test_masks_of_one_device_are_known_to_be_the_same():
    gpus = [Gpu("0", "GPU-aaaa-1", ("MIG-1111-2",)), Gpu("1", "GPU-bbbb-2")]
    assert [whole_mask(mask, gpus) for mask in ("1", "GPU-bbbb", "MIG-1111-2")] == ["GPU-bbbb-2"] * 2 + ["MIG-1111-2"]
    assert whole_mask("7", gpus) == "7" and whole_mask("", gpus) == ""


def test_jobs_without_a_device_are_failed_for_every_reader(tmp_path):
    jobs = [Job(number, [f"seed={number}"], tmp_path / f"s{number}") for number in range(2)]
    Pool(jobs, [], lambda job: [sys.executable, "-c", ""]).run()
    record_sweep(tmp_path, jobs)
    runs = read_sweep(tmp_path).runs
    assert [(run.state, run.reason) for run in runs] == [("failed", "no device is left")] * 2


@pytest.mark.parametrize(
    "words",
    (
        ["sweep", "ablations", "experiment=final", "seed=0"],
        ["train", "-m", "experiment=final", "seed=0"],
        ["prepare"],
        ["train"],
    ),
)
def test_a_folder_that_cannot_be_written_stops_the_command(command, tmp_path, capsys, words):
    (tmp_path / "out").write_text("a file where the folder should be")
    assert command(*words, f"output={tmp_path / 'out'}") == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and not captured.out
    assert str(tmp_path / "out") in captured.err and "cannot be written to" in captured.err


def test_a_disk_that_fills_up_under_the_launcher_does_not_end_its_sweep(command, tmp_path, monkeypatch, capsys):
    """Its own lists, and the page at the end, are not worth a sweep."""

    def full(path, *rest, **more):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    for module in ("hydra_plugins.facedeblur_launcher._jobs", "hydra_plugins.facedeblur_launcher._shared"):
        monkeypatch.setattr(f"{module}.write_json", full)
    monkeypatch.setattr("facedeblur.report.sweep.command.write_report", full)
    words = ("experiment=identity_nohg", "seed=0,1", "hydra.launcher.gpus=[]", f"output={tmp_path / 'out'}")
    (tmp_path / "out" / "ablations" / "older" / "s0").mkdir(parents=True)
    (tmp_path / "out" / "ablations" / "older" / "s0" / "job.json").write_text("{}")  # there is something to report on
    assert command("sweep", "ablations", *words) == 0
    said = capsys.readouterr().err
    assert "2 done" in said and "sweep.json: not written (No space left on device)" in said
    assert "the jobs plan themselves" in said and "the page is not written (No space left on device)" in said
    assert "Traceback" not in said
