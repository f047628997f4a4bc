"""Run work in child processes under a time limit each, because native decoders can hang or crash.

A thread cannot be stopped while it holds the interpreter's lock in native code; a process can. Children are spawned,
not forked: decoders and thread pools do not survive a fork. A child that dies (a crash, the kernel's out-of-memory
killer, `kill -9`) is replaced and its task tried once more; one that outlives its parent is ended by the kernel.

Spawned children usually run the user's script again, to find what it defines, and a script without
`if __name__ == "__main__":` then starts children of its own. Ours do not: they need nothing but this package.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any

START_LIMIT = 120.0  # seconds a child may take to import what it needs
PR_SET_PDEATHSIG = 1  # of Linux's prctl
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
ATTEMPTS = 2  # a task whose child died is tried so often: the death need not be its fault


class _Process(SpawnProcess):
    _lock = threading.Lock()

    def start(self) -> None:
        """As its parent's, but that the child is told of no script."""
        with self._lock:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = types.ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class _Context(SpawnContext):
    Process = _Process


SPAWN = _Context()  # what children are started by; what they are given must not be of the user's script


@dataclass(frozen=True)
class Failure:
    """Why a task has no result: `hung` after its `seconds`, `crashed` with its child, else `work` raised."""

    reason: str
    hung: bool = False
    crashed: bool = False


@dataclass
class _Child:
    process: BaseProcess
    pipe: Connection
    deadline: float
    task: int | None = None  # None while it starts up
    seconds: float = 0.0

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_limited(
    work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int = 1, limit: Callable[[Any], float] = lambda task: 60.0
) -> Iterator[tuple[int, Any]]:
    """Yield `(index of the task, work(task) or Failure)` as tasks finish, from `jobs` child processes.

    Args:
        work: importable function; it and the tasks must pickle.
        limit: seconds a task may take. After that its child is killed and another takes its place.

    Raises:
        RuntimeError: a child cannot be started.
    """
    waiting = deque(range(len(tasks)))
    deaths = [0] * len(tasks)
    children: list[_Child] = []
    try:
        while waiting or children:
            while waiting and len(children) < min(max(jobs, 1), len(waiting) + len(children)):
                children.append(_start(work))
            for child in _until_ready(children):
                task, outcome = child.task, _outcome(child)
                if task is not None:
                    died = isinstance(outcome, Failure) and outcome.crashed
                    deaths[task] += died
                    if died and deaths[task] < ATTEMPTS:
                        waiting.append(task)
                    else:
                        yield task, outcome
                elif isinstance(outcome, Failure):
                    raise RuntimeError(f"a child process cannot be started: {outcome.reason}")
                if child.pipe.closed:
                    children.remove(child)
                elif waiting:
                    child.task = waiting.popleft()
                    child.seconds = limit(tasks[child.task])
                    child.deadline = time.monotonic() + child.seconds
                    child.pipe.send(tasks[child.task])
                else:
                    child.kill()
                    children.remove(child)
    finally:
        for child in children:
            child.kill()


def _start(work: Callable[[Any], Any]) -> _Child:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the death of the child closes the pipe
    return _Child(process, ours, time.monotonic() + START_LIMIT, seconds=START_LIMIT)


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    be_a_child()
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            result = work(task)
        except Exception as error:
            result = Failure(f"{type(error).__name__}: {error}")
        pipe.send(result)


def be_a_child() -> None:
    """Called in a child process: it leaves Ctrl-C to its parent, and does not outlive it.

    Ctrl-C reaches the whole group; the parent decides what it means. A decoder that hangs in native code would never
    notice that nobody waits for it any more (Linux only).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)


def end_with_parent(number: signal.Signals) -> None:
    """The kernel sends `number` to this process when the parent's thread that started it ends (Linux only).

    Safe between fork and exec: nothing is imported or loaded here.
    """
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, number)


def _until_ready(children: list[_Child]) -> list[_Child]:
    """Wait until some child has answered, died or run out of time."""
    patience = min(child.deadline for child in children) - time.monotonic()
    answered = wait([child.pipe for child in children], max(patience, 0.0))
    now = time.monotonic()
    return [child for child in children if child.pipe in answered or now >= child.deadline]


def _outcome(child: _Child) -> Any:
    """The child's answer; a child without one is killed, its pipe closed."""
    if not child.pipe.poll():
        child.kill()
        return Failure(f"hung for {child.seconds:.0f} s", hung=True)
    try:
        return child.pipe.recv()
    except EOFError:
        child.kill()
        code = child.process.exitcode
        cause = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return Failure(f"crashed ({cause})", crashed=True)
