"""A job of a sweep: its run folder, whether it starts, resumes or is skipped, its command, and what it leaves there."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facedeblur.files import read_json, write_json
from facedeblur.status import next_step, override_difference, read_status
from facedeblur.training.settings import RunSettings
from hydra_plugins.facedeblur_launcher._errors import SweepError

UNFINISHED = ("waiting", "running")
GOOD = ("done", "skipped")


@dataclass
class Job:
    """One job.

    `state`: waiting | running | done | skipped (was done before) | failed | interrupted | busy (another process
    trains in its folder, on the device `mask` if that is one of this machine's). `started` and `ended` are epoch
    seconds; `exit` is the child's status, negative for a signal. `plain` is its composed configuration, `settings` the
    same parsed; `shared` marks work that several jobs wait for.
    """

    number: int
    overrides: list[str]
    folder: Path
    title: str = ""
    resume: bool = False
    state: str = "waiting"
    slot: str = ""
    mask: str = ""
    started: float | None = None
    ended: float | None = None
    exit: int | None = None
    reason: str = ""
    command: list[str] = field(default_factory=list)
    plain: dict = field(default_factory=dict, repr=False)
    settings: RunSettings | None = field(default=None, repr=False)
    shared: bool = False

    @property
    def label(self) -> str:
        """What stands before the title in tables and lines."""
        return "shared" if self.shared else str(self.number)

    @property
    def log(self) -> Path:
        """What the job printed, in this and in earlier attempts."""
        return self.folder / "job.log"

    @property
    def seconds(self) -> float:
        """How long this attempt has taken so far."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started

    def record(self) -> None:
        """Writes job.json into the run folder; a full disk leaves the old one."""
        names = ("number", "overrides", "slot", "mask", "state", "resume", "started", "ended", "exit", "reason")
        with contextlib.suppress(OSError):
            write_json(self.folder / "job.json", {name: getattr(self, name) for name in names})


def prepare_job(job: Job, skip_done: bool) -> None:
    """Sets the job's state and `resume` by what its folder holds.

    Raises:
        SweepError: the folder holds a run that was started with other overrides.
    """
    refuse_other_overrides(job.folder, job.overrides, longer=not skip_done)
    decision = next_step(job.folder, skip_done)
    job.resume = decision == "resume"
    if decision == "skip":
        job.state = "skipped"
    elif decision == "busy":
        status = read_status(job.folder) or {}
        job.state, job.reason = "busy", f"process {status.get('pid')} on {status.get('host')} is still training here"
        if status.get("host") == socket.gethostname():
            job.mask = _recorded_mask(job.folder)


def _recorded_mask(folder: Path) -> str:
    """The device on which a sweep of this machine started the run; empty for the CPU, and where no sweep did."""
    return str(read_json(folder / "job.json", {}).get("mask", ""))


def refuse_other_overrides(folder: Path, overrides: Sequence[str], longer: bool = False) -> None:
    """Raises SweepError with the difference where job.json says that the folder's run had other overrides.

    Args:
        longer: a finished run may go on: how long it trains is no difference.
    """
    difference = override_difference(folder, overrides, longer)
    if difference:
        raise SweepError(
            f"{folder}: holds a run of other overrides ({difference}); nothing was changed: choose another folder, "
            "by output=..., by sweep.name=... for a ready sweep, or by name=... for a plain multirun"
        )


def without_resume(overrides: Sequence[str]) -> list[str]:
    """The overrides without `resume=auto` or `resume=null`, which a sweep decides job by job.

    Raises:
        SweepError: `resume` names a folder, which cannot be that of every job.
    """
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key == "resume" and value.strip("'\"") not in ("auto", "null", ""):
            raise SweepError(f"{override}: a sweep resumes its unfinished jobs by itself; leave resume out")
    return [override for override in overrides if override.lstrip("+").partition("=")[0] != "resume"]


def refuse_shared_folders(jobs: Sequence[Job]) -> None:
    """Raises SweepError where two jobs would write into one run folder."""
    owners: dict[Path, Job] = {}
    for job in jobs:
        other = owners.setdefault(job.folder, job)
        if other is not job:
            raise SweepError(
                f"jobs {other.number} ({other.title}) and {job.number} ({job.title}) share the run folder "
                f"{job.folder}: give every variant its own, with name=... or hydra.sweep.subdir=..."
            )


def titles(jobs: Sequence[Sequence[str]]) -> list[str]:
    """A name for every job, given by its overrides: those that not all jobs have."""
    common = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    return [" ".join(o for o in job if o not in common) or f"job {number}" for number, job in enumerate(jobs)]


def set_titles(jobs: Sequence[Job]) -> None:
    """Names every job by the overrides that not all jobs have."""
    for job, title in zip(jobs, titles([job.overrides for job in jobs]), strict=True):
        job.title = title


def record_sweep(folder: Path, jobs: Sequence[Job]) -> None:
    """Merges the jobs into sweep.json of the sweep folder: pages show those that wait, too. A full disk is reported."""
    path = folder / "sweep.json"
    known = {job["folder"]: job for job in read_json(path, {}).get("jobs", ())}
    for job in jobs:
        place = os.path.relpath(job.folder, folder)
        known[place] = {"folder": place, "title": job.title, "overrides": job.overrides}
    try:
        write_json(path, {"jobs": list(known.values())})
    except OSError as error:
        print(f"{path}: not written ({error.strerror}); pages will show jobs only as they start", file=sys.stderr)


def quoted(path: Path) -> str:
    """`path` as a quoted value of Hydra's override grammar."""
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + r"\'", str(path))
    escaped = re.sub(r"(\\+)$", lambda match: match[1] * 2, escaped)
    return f"'{escaped}'"


def child_command(job: Job, command: str, hydra_overrides: Sequence[str] = ()) -> list[str]:
    """The command line of a job: `facedeblur <command>` on its overrides, in its folder, resuming where it must."""
    return [
        *(sys.executable, "-m", "facedeblur", command),
        *job.overrides,
        *hydra_overrides,
        f"hydra.run.dir={quoted(job.folder)}",
        *(["resume=auto"] if job.resume else []),
    ]
