"""What is done with the job of a sweep: started, resumed, skipped or refused, and by which command."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from facedeblur.files import write_json
from facedeblur.overrides import compose_run
from facedeblur.status import next_step
from hydra_plugins.facedeblur_launcher import _jobs as jobs_module
from hydra_plugins.facedeblur_launcher._errors import SweepError
from hydra_plugins.facedeblur_launcher._jobs import Job, child_command, prepare_job, quoted

NOW = {"heartbeat": time.time(), "host": socket.gethostname()}


@pytest.mark.parametrize(
    ("status", "skip_done", "decision"),
    (
        (None, True, "start"),
        ({"state": "done"}, True, "skip"),
        ({"state": "done"}, False, "resume"),
        ({"state": "failed"}, True, "resume"),
        ({"state": "interrupted"}, True, "resume"),
        ({"state": "running", "pid": 2**22 + 1, **NOW}, True, "resume"),  # no such process here
        ({"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() - 121}, True, "resume"),
        ({"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() + 600}, True, "busy"),
        ({"state": "running", "pid": os.getpid(), **NOW, "heartbeat": time.time() + 600}, True, "busy"),
    ),
)
def test_unfinished_jobs_are_resumed_and_done_ones_skipped(tmp_path, status, skip_done, decision):
    if status is not None:
        write_json(tmp_path / "status.json", status)
    assert next_step(tmp_path, skip_done) == decision
    job = Job(0, [], tmp_path)
    prepare_job(job, skip_done)
    assert job.resume == (decision == "resume")
    assert job.state == {"skip": "skipped", "busy": "busy"}.get(decision, "waiting")


def test_a_folder_of_other_overrides_is_refused_with_the_difference(tmp_path):
    Job(0, ["seed=0", "trainer.epochs=2", "jobs=2"], tmp_path).record()
    prepare_job(Job(0, ["trainer.epochs=2", "seed=0", "jobs=1", "output=there"], tmp_path), True)
    with pytest.raises(SweepError, match=r"\(-trainer.epochs=2 \+trainer.epochs=3\)"):
        prepare_job(Job(0, ["seed=0", "trainer.epochs=3"], tmp_path), True)


def test_two_jobs_in_one_folder_are_refused(tmp_path):
    with pytest.raises(SweepError, match="jobs 0 .* and 1 .* share"):
        jobs_module.refuse_shared_folders([Job(0, [], tmp_path), Job(1, [], tmp_path)])


def test_jobs_are_called_by_what_differs(tmp_path):
    jobs = [Job(n, ["experiment=final", f"seed={n}"], tmp_path) for n in range(2)]
    jobs_module.set_titles(jobs)
    assert [job.title for job in jobs] == ["seed=0", "seed=1"]


def test_resume_is_the_sweeps_own_decision():
    assert jobs_module.without_resume(["seed=0", "resume=auto"]) == ["seed=0"]
    with pytest.raises(SweepError, match="leave resume out"):
        jobs_module.without_resume(['resume="outputs/x"'])


@pytest.mark.parametrize("name", ("plain", "with blank, comma=and more", "it's", "back\\slash", "end\\"))
def test_the_command_names_the_folder_whatever_it_is_called(tmp_path, name):
    job = Job(0, ["seed=1"], tmp_path / name, resume=True)
    command = child_command(job, "train", ["hydra.verbose=true"])
    assert command[1:6] == ["-m", "facedeblur", "train", "seed=1", "hydra.verbose=true"]
    assert command[-1] == "resume=auto"
    (override,) = OverridesParser.create().parse_overrides([command[-2]])
    assert override.key_or_group == "hydra.run.dir" and override.value() == str(job.folder)
    assert quoted(Path("/a")) == "'/a'"


def test_resume_looks_into_the_folder_of_the_job(tmp_path):
    folder = tmp_path / "sweep" / "no_identity"
    identity = {"experiment": "no_identity"}
    write_json(folder / "overrides.json", {"overrides": ["experiment=no_identity"], "identity": identity})
    cfg = compose_run(["trainer.epochs=7", "resume=auto", f"hydra.run.dir={quoted(folder)}"])
    assert (cfg.experiment, cfg.trainer.epochs) == ("no_identity", 7)
    assert Path(cfg.hydra.run.dir) == folder
