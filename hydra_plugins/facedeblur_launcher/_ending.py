"""How a job's process ended, and what its log says meanwhile."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from pathlib import Path

from facedeblur.files import write_json
from facedeblur.status import read_status
from hydra_plugins.facedeblur_launcher._jobs import Job

INTERRUPTED = 130  # the exit status of a command that ended on Ctrl-C or SIGTERM, see facedeblur.cli


def close_job(job: Job, exit_status: int, pid: int, stopping: bool) -> None:
    """Fills the job's end into `job`, job.json, and the status.json of a run that could not write it any more.

    Args:
        exit_status: as of subprocess; negative for the signal that killed the process.
        stopping: the sweep had told its jobs to end.
    """
    job.exit, job.ended = exit_status, time.time()
    if exit_status == 0:
        job.state = "done"
    elif stopping or exit_status == INTERRUPTED:
        job.state = "interrupted"
    else:
        job.state = "failed"
        job.reason = _reason(job, exit_status)
    _mark_as_failed(job, pid)
    job.record()


def _reason(job: Job, exit_status: int) -> str:
    if exit_status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-exit_status).name}"
        return f"killed by signal {-exit_status}"
    status = read_status(job.folder)
    if status and status["state"] == "failed" and status.get("reason"):
        return str(status["reason"])
    lines = [line for line in tail(job.log).splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {exit_status}"


def _mark_as_failed(job: Job, pid: int) -> None:
    """A process killed by -9 leaves `running` behind: readers need not wait for its heartbeat to grow old."""
    status = read_status(job.folder)
    if status and status["state"] == "running" and status.get("pid") == pid:
        state = "interrupted" if job.state == "interrupted" else "failed"
        reason = job.reason or f"the process ended with status {job.exit}"
        with contextlib.suppress(OSError):
            ended = time.strftime("%Y-%m-%dT%H:%M:%S")
            write_json(job.folder / "status.json", status | {"state": state, "reason": reason, "ended": ended})


def tail(path: Path, size: int = 4096) -> str:
    """The last `size` bytes of a text file; empty where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def progress(job: Job) -> tuple[str, str]:
    """(stage and step, time left of the stage) as the job's last line of progress says; empty before the first."""
    found = re.findall(r"^([\w ]+: step \d+/\d+)  .* < ([\d:]+)\s*$", tail(job.log), re.MULTILINE)
    return found[-1] if found else ("", "")
