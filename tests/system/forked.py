"""`python -m facedeblur ...` as processes forked from one that has imported torch and Lightning: seconds less each.

All else is each command's own: words, folder, environment, output, signals, and an end with every exit handler. Run as
a program this module is that one process: a line of JSON asks for a command, and lines tell of its begin and its end.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = ("facedeblur.training.train", "facedeblur.evaluation.command", "facedeblur.data.command", "hydra")


class Command:
    """What tests use of a `subprocess.Popen` whose output is text."""

    def __init__(self, origin: Origin, pid: int, files: tuple[Path, Path]) -> None:
        self.origin, self.pid, self.files = origin, pid, files

    @property
    def returncode(self) -> int | None:
        return self.origin.ended.get(self.pid)

    def poll(self) -> int | None:
        self.origin.read(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            if time.monotonic() > deadline:
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired(str(self.files[0]), timeout)
            self.origin.read(0.5)
        out, err = (file.read_text() for file in self.files)
        return out, err


class Origin:
    """The process that commands are forked from, and how those ended that have."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
        self.process = subprocess.Popen([sys.executable, __file__], **options)
        self.ended: dict[int, int] = {}  # status by process
        self._begun: list[int] = []
        self._rest = b""

    def start(self, words: list[str], folder: Path, environment: dict[str, str], files: tuple[Path, Path]) -> Command:
        asked = {"words": words, "folder": str(folder), "environment": environment, "files": [*map(str, files)]}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        while not self._begun:
            self.read(60)
        return Command(self, self._begun.pop(), files)

    def read(self, seconds: float) -> None:
        """Takes in what is told within so many seconds."""
        if select.select([self.process.stdout], [], [], seconds)[0]:
            told = os.read(self.process.stdout.fileno(), 4096)
            assert told, "the process that commands are forked from has ended"
            *lines, self._rest = (self._rest + told).split(b"\n")
            for pid, status in map(json.loads, lines):
                if status is None:
                    self.ended.pop(pid, None)  # of an earlier process of that number
                    self._begun.append(pid)
                else:
                    self.ended[pid] = status

    def end(self) -> None:
        self.process.communicate()


def tell(pid: int, status: int | None) -> None:
    os.write(1, json.dumps([pid, status]).encode() + b"\n")


def reap(*_) -> None:
    """Tells of every command that has ended; called by its signal."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            tell(ended[0], os.waitstatus_to_exitcode(ended[1]))
    except ChildProcessError:
        pass


def serve() -> dict | None:
    """Returns in every child with the command to become, and in this process with nothing at the end."""
    for name in IMPORTED:
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin.buffer:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # no end is told before its begin
        pid = os.fork()
        if not pid:
            return json.loads(line)
        tell(pid, None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    return None


def become(command: dict) -> None:
    """Runs the command as `python -m facedeblur` does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    for number, path in enumerate((os.devnull, *command["files"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0)  # noqa: SIM115 - what was read ahead is not the command's
    sys.argv, sys.path[0] = ["facedeblur", *command["words"]], command["folder"]
    runpy.run_module("facedeblur", run_name="__main__", alter_sys=True)


if __name__ == "__main__" and (asked := serve()):
    become(asked)
