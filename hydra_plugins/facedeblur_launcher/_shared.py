"""What several jobs need is made once, before the first of them starts: corpora, plans, hourglass stages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from facedeblur.data.settings import plans_mark
from facedeblur.files import write_json
from facedeblur.training.cache_keys import (
    finished_stage,
    hourglass_home,
    hourglass_key,
    needs_stage,
    stages_data,
)
from hydra_plugins.facedeblur_launcher._jobs import Job

PROGRAM = "facedeblur.training.make_shared"


def make_plans(jobs: Sequence[Job], folder: Path, run: Callable[[Sequence[Job]], None]) -> None:
    """Renders and plans for all waiting `jobs` in one process, unless that was done before.

    What fails there, or has gone since, is met by the jobs, which then make it or report it.

    Args:
        folder: of the process's log and of the configurations it works on.
        run: runs jobs to their ends, with every core of the machine.
    """
    waiting = [job for job in jobs if job.state == "waiting"]
    stages = [(job.settings.prepare, data, blur) for job in waiting for _, data, blur in stages_data(job.settings)]
    needed = [plans_mark(data, blur, how) for how, data, blur in stages]
    if not all(mark.exists() for mark in needed):
        try:
            write_json(folder / "shared.json", [job.plain for job in waiting])
        except OSError as error:
            print(f"{folder}: cannot be written to ({error.strerror}); the jobs plan themselves", file=sys.stderr)
            return
        run([Job(len(jobs), [], folder, "corpora and plans", shared=True)])


def stage_jobs(jobs: Sequence[Job]) -> dict[str, Job]:
    """A job for every hourglass stage that waiting `jobs` need and that is not trained yet, by its key.

    A run that goes on from its own checkpoint needs none: the checkpoint holds it.
    """
    stages: dict[str, Job] = {}
    for job in jobs:
        if not _wants(job):
            continue
        key, home = hourglass_key(job.settings), hourglass_home(job.settings).resolve()
        if key not in stages and finished_stage(home, key) is None:
            title = f"hourglass stage {key}"
            stages[key] = Job(len(jobs) + len(stages), [], home / key, title, plain=job.plain, shared=True)
    return stages


def shared_command(job: Job) -> list[str]:
    """The command line of `job`: plans, or the stage of its configuration, which it leaves beside the log."""
    file = job.folder / "shared.json"
    if not job.plain:
        return [sys.executable, "-m", PROGRAM, str(file)]
    write_json(file, [job.plain])
    return [sys.executable, "-m", PROGRAM, "--hourglass", str(file)]


def make_stages(jobs: Sequence[Job], run: Callable[[Sequence[Job]], None]) -> None:
    """Trains what `stage_jobs` says; a job whose stage failed is marked so, the others go on.

    Args:
        run: runs jobs to their ends.
    """
    stages = stage_jobs(jobs)
    if not stages:
        return
    run(list(stages.values()))
    for job in jobs:
        stage = stages.get(hourglass_key(job.settings)) if _wants(job) else None
        if stage is not None and stage.state != "done":
            job.state = stage.state
            job.reason = f"its hourglass stage {stage.state}: {stage.reason or 'stopped'} (log {stage.log})"
            job.record()


def _wants(job: Job) -> bool:
    resumed = job.resume and (job.folder / "checkpoints" / "last.ckpt").exists()
    return job.state == "waiting" and not resumed and needs_stage(job.settings)
