"""The Hydra launcher `gpu_pool`: checks a whole sweep, then runs its jobs on this machine's devices."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from facedeblur.status import SWEEP_LOCK
from hydra_plugins.facedeblur_launcher._devices import (
    Slot,
    choose_devices,
    is_listed,
    list_gpus,
    make_slots,
    whole_mask,
)
from hydra_plugins.facedeblur_launcher._errors import SweepError, stop
from hydra_plugins.facedeblur_launcher._jobs import (
    GOOD,
    Job,
    child_command,
    prepare_job,
    record_sweep,
    refuse_shared_folders,
    set_titles,
    without_resume,
)
from hydra_plugins.facedeblur_launcher._pool import Pool
from hydra_plugins.facedeblur_launcher._shared import make_plans, make_stages, shared_command
from hydra_plugins.facedeblur_launcher._table import JobTable, overview

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from facedeblur.training.settings import RunSettings

# Hydra overrides that are about the sweep; every other one is handed on to the jobs
SWEEP_ONLY = ("hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweep", "hydra.mode", "hydra.run.dir")


class GpuPoolLauncher(Launcher):
    """One child process per job, its device mask set before it starts; keys as in conf/hydra/launcher/gpu_pool.yaml.

    The task function never runs here: children are `facedeblur <command>`, the command being the attribute `command`
    of the task function (default `train`). The exit status is 0 if every job is done, 1 if one failed, 2 if the sweep
    was refused before its first job, 130 if it was interrupted.
    """

    def __init__(
        self,
        gpus: str | Sequence[int | str] = "auto",
        jobs_per_gpu: int = 1,
        skip_done: bool = True,
        share_cores: bool = True,
        grace_seconds: float = 30.0,
    ):
        self.gpus = gpus if isinstance(gpus, str) or not hasattr(gpus, "__iter__") else list(gpus)
        self.jobs_per_gpu, self.skip_done = jobs_per_gpu, skip_done
        self.share_cores, self.grace_seconds = share_cores, grace_seconds
        self.lock: BaseFileLock | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.command = getattr(task_function, "command", "train")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs the jobs; returns them in order, with `return_value` the final state of a good one: done or skipped.

        Raises:
            SystemExit: nothing was started; why is on stderr.
            KeyboardInterrupt: the sweep was stopped; its jobs have ended.
        """
        setup_globals()
        try:
            with self._reserved(Path(self.config.hydra.sweep.dir)):
                composed = list(self._compose(job_overrides, initial_job_idx))
                jobs = [job for job, _ in composed]
                refuse_shared_folders(jobs)
                for job in jobs:
                    prepare_job(job, self.skip_done)
                slots = self._slots(jobs)
                record_sweep(Path(self.config.hydra.sweep.dir), jobs)
                self._run(jobs, slots)
        except SweepError as error:
            stop(error)
        return [_job_return(job, cfg) for job, cfg in composed]

    def reserve(self, folder: Path) -> None:
        """Takes the sweep's folder for this launcher, until its jobs have ended; so far it has touched nothing there.

        Raises:
            SweepError: another sweep has it.
        """
        from filelock import FileLock, Timeout

        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(folder / SWEEP_LOCK).acquire(timeout=1).lock  # a page that watches may try it
        except Timeout as error:
            raise SweepError(f"{folder}: another sweep is running here; choose another output=...") from error

    @contextmanager
    def _reserved(self, folder: Path) -> Iterator[None]:
        if self.lock is None:  # the sweeper checked reserves it before it writes there
            self.reserve(folder)
        try:
            yield
        finally:
            self.lock.release()
            self.lock = None

    def _compose(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[tuple[Job, DictConfig]]:
        """Every job with its configuration, composed and checked as the job itself will do it."""
        if self.config.hydra.sweeper.get("max_batch_size"):
            raise SweepError("hydra.sweeper.max_batch_size: gpu_pool queues all jobs by itself; leave it unset")
        composed = []
        for number, overrides in enumerate(job_overrides, start=first):
            overrides = without_resume(overrides)
            cfg = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
            with open_dict(cfg):
                cfg.hydra.job.id = cfg.hydra.job.num = number
            folder, settings, plain = self._checked(cfg, overrides)
            composed.append((Job(number, overrides, folder, plain=plain, settings=settings), cfg))
        set_titles([job for job, _ in composed])
        return iter(composed)

    def _checked(self, cfg: DictConfig, overrides: list[str]) -> tuple[Path, RunSettings, dict]:
        """The job's run folder, settings and plain configuration.

        Raises:
            SweepError: a value it would stop at, and for DDP.
        """
        from facedeblur.errors import UsageError
        from facedeblur.hydra_commands import check_pool_job

        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(cfg)
        try:
            folder = Path(cfg.hydra.sweep.dir, str(cfg.hydra.sweep.subdir)).resolve()
            return folder, *check_pool_job(cfg)
        except UsageError as error:
            raise SweepError(f"{' '.join(overrides)}: {error}") from error
        finally:
            HydraConfig.instance().cfg = before

    def _slots(self, jobs: Sequence[Job]) -> list[Slot]:
        """Places for the waiting jobs; none where a job runs that another sweep left behind."""
        self.listed = list_gpus()
        devices = choose_devices(self.gpus, listing=lambda: self.listed)
        if any(device.mask for device in devices) and not self.listed and self.gpus != "auto":
            print("no GPU is found on this machine: the ids are slots on its CPU", file=sys.stderr)
        usable_cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        same = {whole_mask(device.mask, self.listed): device.mask for device in devices}
        taken = [same.get(whole_mask(job.mask, self.listed), "") for job in jobs if job.state == "busy" and job.mask]
        cores = usable_cores if self.share_cores else ()
        waiting = sum(job.state == "waiting" for job in jobs)
        return make_slots(devices, self.jobs_per_gpu, waiting, cores, list(filter(None, taken)))

    def _usable(self, slot: Slot) -> bool:
        """False for a GPU that was listed at the start and is not any more."""
        return not is_listed(slot.mask, self.listed) or is_listed(slot.mask, list_gpus())

    def _run(self, jobs: list[Job], slots: list[Slot]) -> None:
        handed_on = [o for o in self.config.hydra.overrides.hydra if not o.lstrip("+~").startswith(SWEEP_ONLY)]
        folder = Path(self.config.hydra.sweep.dir)
        with JobTable(len(slots)) as table:
            shared: list[Job] = []

            def run(some: Sequence[Job], slots: Sequence[Slot] = slots) -> None:
                shared.extend(job for job in some if job.shared)
                Pool(
                    some,
                    slots,
                    command=lambda job: (
                        shared_command(job) if job.shared else child_command(job, self.command, handed_on)
                    ),
                    watch=lambda _: table([*shared, *jobs]),
                    grace=self.grace_seconds,
                    usable=self._usable,
                ).run()

            table(jobs)
            try:
                if self.command == "train":
                    make_plans(jobs, folder / "shared", lambda plans: run(plans, [Slot("all cores", "")]))
                    make_stages(jobs, run)
                run(jobs)
            finally:
                print(f"sweep {folder}: {overview(jobs, len(slots))}", file=sys.stderr)
                if any(job.state not in GOOD for job in jobs):
                    print("the same command again resumes what is unfinished", file=sys.stderr)


class PoolReturn(JobReturn):
    """As Hydra's, but asking a failed job for its value ends the command with status 1 and prints no stack trace."""

    @property
    def return_value(self) -> str:
        """The job's final state. Raises SystemExit(1) if it is not a good one: the table has said why."""
        if self.status != JobStatus.COMPLETED:
            raise SystemExit(1)
        return self._return_value


def _job_return(job: Job, cfg: DictConfig) -> PoolReturn:
    return PoolReturn(
        overrides=job.overrides,
        cfg=OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]),
        hydra_cfg=OmegaConf.masked_copy(cfg, "hydra"),
        working_dir=os.getcwd(),
        task_name=cfg.hydra.job.name,
        status=JobStatus.COMPLETED if job.state in GOOD else JobStatus.FAILED,
        _return_value=job.state,
    )
