"""The queue: free slots take waiting jobs, one child process each, until all have ended or the user stops them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

from facedeblur.processes import end_with_parent
from hydra_plugins.facedeblur_launcher._devices import Slot, child_environment
from hydra_plugins.facedeblur_launcher._ending import close_job
from hydra_plugins.facedeblur_launcher._jobs import Job

POLL_SECONDS = 0.1


class Pool:
    """Runs jobs in slots. No thread: signals, children and the display meet in one loop.

    Args:
        jobs: those in state `waiting` run, in this order; the others are left alone.
        slots: places for one job each.
        command: the command line of a job.
        watch: called with all jobs after each look at the children.
        grace: seconds between SIGTERM and SIGKILL when the sweep is stopped.
        usable: whether a slot's device still works; asked after a failure, so that a lost device does not take
            job after job with it.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        slots: Sequence[Slot],
        command: Callable[[Job], list[str]],
        watch: Callable[[Sequence[Job]], None] = lambda jobs: None,
        grace: float = 30.0,
        usable: Callable[[Slot], bool] = lambda slot: True,
    ):
        self.jobs, self.command, self.watch, self.grace, self.usable = jobs, command, watch, grace, usable
        self.free = deque(slots)
        self.waiting = deque(job for job in jobs if job.state == "waiting")
        self.running: list[tuple[Job, Slot, subprocess.Popen]] = []
        self.stops = 0  # signals so far: the first ends the jobs, the second kills them
        self.kill_at: float | None = None

    def run(self) -> None:
        """Returns when every job has ended; none of its processes is left then.

        Raises:
            KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the jobs have been ended.
        """
        with _handled_signals(self._stop):
            try:
                while self.running or (self.waiting and not self.stops):
                    self._end_stopped()
                    self._start_waiting()
                    self.watch(self.jobs)
                    time.sleep(POLL_SECONDS)
                    self._collect()
            finally:  # whatever went wrong here, no child outlives its pool
                for _, _, process in self.running:
                    _kill(process)
                for job, _, process in self.running:
                    close_job(job, process.wait(), process.pid, stopping=True)
                self.running = []
                self.watch(self.jobs)
        if self.stops:
            raise KeyboardInterrupt("the sweep was stopped")

    def _stop(self, number, frame) -> None:
        self.stops += 1

    def _end_stopped(self) -> None:
        if self.stops and self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace
            for _, _, process in self.running:
                process.terminate()  # the job itself, not its group: it ends its own workers in order
        elif self.kill_at is not None and (self.stops > 1 or time.monotonic() > self.kill_at):
            for _, _, process in self.running:
                _kill(process)

    def _start_waiting(self) -> None:
        while self.waiting and self.free and not self.stops:
            job, slot = self.waiting.popleft(), self.free.popleft()
            job.state, job.slot, job.mask, job.started = "running", slot.name, slot.mask, time.time()
            try:
                self.running.append((job, slot, self._start(job, slot)))
            except OSError as error:  # a full disk, no memory, no such program
                job.state, job.ended, job.reason = "failed", time.time(), f"could not be started: {error}"
                job.record()
                self.free.append(slot)
        if self.waiting and not self.free and not self.running:
            for job in self.waiting:
                job.state, job.reason = "failed", "no device is left"
                job.record()
            self.waiting.clear()

    def _start(self, job: Job, slot: Slot) -> subprocess.Popen:
        job.command = self.command(job)
        job.folder.mkdir(parents=True, exist_ok=True)
        job.record()
        with open(job.log, "a", encoding="utf-8") as log:
            log.write(f"# {time.strftime('%Y-%m-%d %H:%M:%S')} on {slot.name}, CUDA_VISIBLE_DEVICES={slot.mask!r}: ")
            log.write(f"{' '.join(job.command)}\n")
            log.flush()
            process = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(slot) | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C goes to the pool alone, which then ends its jobs
                preexec_fn=_end_with_pool,
            )
        if slot.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # it may have ended already; and cores may have gone
                os.sched_setaffinity(process.pid, slot.cores)
        return process

    def _collect(self) -> None:
        still = []
        for job, slot, process in self.running:
            if process.poll() is None:
                still.append((job, slot, process))
                continue
            if process.returncode < 0:
                _kill(process)  # its workers, which would keep memory and device
            close_job(job, process.returncode, process.pid, stopping=self.stops > 0)
            if job.state != "failed" or self.usable(slot):
                self.free.append(slot)
            else:
                print(f"{slot.name}: does not answer any more, no further job goes there", file=sys.stderr)
        self.running = still


def _end_with_pool() -> None:
    """In the child: a pool that was killed ends its jobs in order, else they would keep devices nobody knows of."""
    end_with_parent(signal.SIGTERM)


def _kill(process: subprocess.Popen) -> None:
    """SIGKILL for the whole session that the job leads: its loaders and ranks too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _handled_signals(handler):
    """SIGINT, SIGTERM and SIGHUP go to `handler`; those that are ignored (nohup) stay so."""
    previous = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            with contextlib.suppress(ValueError):  # not the main thread: signals are somebody else's
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
