"""The run folder's states: who may use it, what it says when the work ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from facedeblur.files import write_json
from facedeblur.status import DEAD_AFTER_SECONDS, is_alive, next_step, read_status
from facedeblur.training.run_folder import RunFolder, RunFolderError
from facedeblur.training.time_limit import OutOfTimeError


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def running(**changes) -> dict:
    status = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "heartbeat": time.time()}
    return status | changes


def test_states_of_a_run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder:
        status = read_status(folder.path)
        assert status["state"] == "running" and status["pid"] == os.getpid() and is_alive(status)
    assert read_status(folder.path)["state"] == "done"


def test_failure_keeps_the_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path):
        1 / 0  # noqa: B018
    status = read_status(tmp_path)
    assert status["state"] == "failed" and "ZeroDivisionError" in status["traceback"]


def test_interruption_is_not_a_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path):
        raise KeyboardInterrupt("SIGTERM")
    assert read_status(tmp_path)["state"] == "interrupted"


def test_a_folder_with_a_run_needs_resume(tmp_path):
    with RunFolder(tmp_path) as folder:
        pass
    RunFolder(tmp_path)  # it ended before its first checkpoint: nothing can be lost
    folder.last_checkpoint.write_bytes(b"weights")
    with pytest.raises(RunFolderError, match="resume=auto"):
        RunFolder(tmp_path)
    RunFolder(tmp_path, resume=True)


def test_a_living_run_is_left_alone_even_on_resume(tmp_path):
    write_json(tmp_path / "status.json", running())
    with pytest.raises(RunFolderError, match="still training"):
        RunFolder(tmp_path, resume=True)


def test_heartbeats():
    assert is_alive(running())
    assert not is_alive(running(heartbeat=time.time() - DEAD_AFTER_SECONDS - 1))
    assert not is_alive(running(pid=dead_pid()))
    assert is_alive(running(pid=dead_pid(), host="elsewhere"))  # only the heartbeat can tell there
    assert not is_alive(running(state="done"))
    assert not is_alive(None)


def test_a_torn_status_reads_as_none(tmp_path):
    (tmp_path / "status.json").write_text('{"state": "runn')
    assert read_status(tmp_path) is None


def test_a_full_disk_still_gets_its_status(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    with pytest.raises(OSError, match="No space"), folder:
        monkeypatch.setattr(os, "fsync", lambda d: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        raise OSError(28, "No space left on device")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "failed"


def test_two_that_begin_in_one_second_do_not_share_a_folder(tmp_path):
    """Both were made before either wrote a status: the second to enter is refused, and leaves nothing."""
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    with first:
        before = (tmp_path / "status.json").read_text()
        with pytest.raises(RunFolderError, match="another process is training here"):
            second.__enter__()
        assert (tmp_path / "status.json").read_text() == before
        first.last_checkpoint.write_bytes(b"weights")
    with pytest.raises(RunFolderError, match="holds a run"):  # the first was faster than the second's start
        second.__enter__()


HOLD = """
import sys
from facedeblur.training.run_folder import RunFolder
with RunFolder(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_its_folder_no_longer(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "in\n"
        with pytest.raises(RunFolderError, match="still training here"):
            RunFolder(tmp_path, resume=True)
        process.kill()
    with RunFolder(tmp_path, resume=True) as folder:
        assert read_status(folder.path)["pid"] == os.getpid()


def test_what_a_limit_stops_is_not_done_and_is_not_begun_again_by_a_sweep(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.stop("time limit, at step 3 of 9")
    status = read_status(tmp_path)
    assert (status["state"], status["reason"]) == ("stopped", "time limit, at step 3 of 9")
    assert next_step(tmp_path) == "skip" and next_step(tmp_path, skip_done=False) == "resume"
    with pytest.raises(OutOfTimeError), RunFolder(tmp_path):
        raise OutOfTimeError("trainer.minutes=1 were over in the first stage")
    assert read_status(tmp_path)["state"] == "interrupted" and next_step(tmp_path) == "resume"
