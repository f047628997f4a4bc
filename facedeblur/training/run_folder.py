"""The run folder: a directory that is complete by itself and says in `status.json` what state it is in."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from facedeblur.errors import UsageError
from facedeblur.files import remove_leftovers, write_json
from facedeblur.status import is_alive, read_status
from facedeblur.training.time_limit import OutOfTimeError

HEARTBEAT_SECONDS = 15.0


def is_main_process() -> bool:
    """False in the processes of a DDP group beside the first, however they were started (Lightning, torchrun, srun)."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"))


class RunFolderError(UsageError):
    """The folder cannot be used: it holds another run, or one that still works."""


class RunFolder:
    """One run's folder: config.yaml, versions.json, status.json, metrics.csv, checkpoints/, previews/, summary.json.

    Use as a context manager around the work: it keeps the heartbeat and turns the way the work ends into a state,
    `done`, `stopped` (by its time limit, see `stop`), `interrupted` (Ctrl-C, SIGTERM) or `failed` (with the traceback).

    Raises:
        RunFolderError: the folder already holds a trained run and `resume` is false, or its run is still alive.
            Entering asks again: another process may have been faster.
    """

    def __init__(self, path: str | Path, resume: bool = False, owner: bool = True):
        self.path = Path(path).resolve()
        self.owner = owner  # only one process of a DDP group writes the status
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._fields: dict = {}
        self._resume, self._stopped = resume, ""
        self._held: FileLock | None = None
        self._refuse_other_runs()

    def _refuse_other_runs(self) -> None:
        status = read_status(self.path)
        if self.owner and is_alive(status):
            raise RunFolderError(f"{self.path}: process {status['pid']} on {status['host']} is still training here")
        if self.owner and status and not self._resume and self.last_checkpoint.exists():  # else nothing is lost
            raise RunFolderError(
                f"{self.path}: holds a run ({status['state']}) already; continue it with resume=auto "
                f"(make: RESUME=auto) or choose another name=..."
            )

    def _lock(self) -> None:
        """Holds the folder for this process; the system lets go of it when the process ends, however it ends.

        Raises:
            RunFolderError: another process holds it: the status of one that has only just begun, or whose clock
                differs, does not say so.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(f"{self.path}: another process is training here") from None
        except OSError:  # a file system without locks: the heartbeat has to do
            return
        self._held = lock

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / "last.ckpt"

    def update(self, **fields) -> None:
        """Merges `fields` into status.json, with a fresh heartbeat."""
        if not self.owner:
            return
        with self._writing:
            self._fields.update(fields, heartbeat=time.time())
            write_json(self.path / "status.json", self._fields)

    def __enter__(self) -> RunFolder:
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if self.owner:
            self._lock()
            try:
                self._refuse_other_runs()
            except RunFolderError:
                self._unlock()
                raise
            for folder in (self.path, self.checkpoints):
                remove_leftovers(folder, age=0 if self._held else 60)
        started = time.strftime("%Y-%m-%dT%H:%M:%S")
        self.update(state="running", pid=os.getpid(), host=socket.gethostname(), started=started)
        if self.owner:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        return self

    def stop(self, reason: str) -> None:
        """Says that the run ends now, in order, but before its last planned step."""
        self._stopped = reason

    def _unlock(self) -> None:
        if self._held is not None:
            self._held.release()
            self._held = None

    def __exit__(self, kind, error, trace) -> None:
        self._stop.set()
        ended = time.strftime("%Y-%m-%dT%H:%M:%S")
        if kind is None:
            outcome: dict = {"state": "stopped", "reason": self._stopped} if self._stopped else {"state": "done"}
        elif issubclass(kind, KeyboardInterrupt | OutOfTimeError):
            outcome = {"state": "interrupted", "reason": str(error) or "interrupted"}
        else:
            text = "".join(traceback.format_exception(kind, error, trace))
            outcome = {"state": "failed", "reason": f"{kind.__name__}: {error}", "traceback": text}
        try:
            self.update(ended=ended, **outcome)
        except OSError:  # a full disk: a short text still fits where the old one was
            outcome = {"state": outcome["state"], "reason": outcome.get("reason", "")[:200], "ended": ended}
            with open(self.path / "status.json", "r+", encoding="utf-8") as file:
                file.write(json.dumps(outcome))
                file.truncate()
        finally:
            self._unlock()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self.update()
            except OSError:
                continue  # a full disk must not end the run before its checkpoint callback says so
