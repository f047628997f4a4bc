"""The network in a child process: a job that takes too long, or crashes a decoder, ends with it; the page lives on."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from facedeblur.errors import UsageError

START_SECONDS = 180.0  # to import torch and load the weights


@dataclass(frozen=True)
class Settings:
    """Of the child: what `facedeblur.load` takes."""

    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Task:
    """A file to deblur, and where its result goes. `name`: what errors call it. seconds: the longest clip taken.
    always, strength: see `DeblurOptions`."""

    source: Path
    target: Path
    name: str
    video: bool
    always: bool
    seconds: float
    strength: float = 1.0


class Worker:
    """One child process that deblurs one file at a time. Not for several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """Starts the child and waits for its network. Raises UsageError where that cannot be loaded."""
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.settings, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._answer(START_SECONDS, "the network")

    def run(self, task: Task, timeout: float) -> tuple[int, int]:
        """Deblurs one file: how many faces it has, and how many of them were sharp already.

        Raises UsageError: the file cannot be deblurred, or not within `timeout` seconds. The child is then a new one.
        """
        if self._process is None or not self._process.is_alive():
            self.start()
        try:
            self._pipe.send(task)
        except OSError:  # it died since
            self.start()
            self._pipe.send(task)
        return self._answer(timeout, task.name)

    def stop(self) -> None:
        """Ends the child."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = self._pipe = None

    def _answer(self, timeout: float, name: str) -> tuple[int, int]:
        pipe = self._pipe
        try:
            if not pipe.poll(timeout):
                self.stop()
                raise UsageError(f"{name}: not done within {timeout:.0f} seconds, given up")
            answer = pipe.recv()
        except (EOFError, OSError):
            self.stop()
            raise UsageError(f"{name}: the process that worked on it ended unexpectedly") from None
        if isinstance(answer, str):
            raise UsageError(answer)
        return answer


def _serve(settings: Settings, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    from facedeblur.inference.deblur import DeblurOptions
    from facedeblur.inference.files import FileDeblurrer
    from facedeblur.inference.jobs import Job
    from facedeblur.inference.load import load

    try:
        model = load(settings.weights, settings.device)
        pipe.send((0, 0))
        while True:
            task: Task = pipe.recv()
            try:
                if task.video:
                    _check_length(task)
                files = FileDeblurrer(model, DeblurOptions(always=task.always, strength=task.strength))
                outcome = files(Job(task.source, task.name, task.video, task.target))
                pipe.send((outcome.faces, outcome.sharp))
            except UsageError as error:
                pipe.send(str(error))
            except Exception as error:  # whatever a strange file does, the page goes on
                pipe.send(f"{task.name}: cannot be deblurred ({type(error).__name__})")
    except UsageError as error:
        pipe.send(str(error))
    except (EOFError, BrokenPipeError):
        pass  # the page has ended


def _check_length(task: Task) -> None:
    from facedeblur.video.outline import outline
    from facedeblur.video.source import VideoError

    try:
        told = outline(task.source)
    except VideoError as error:
        raise UsageError(str(error).replace(str(task.source), task.name)) from None
    seconds = max(told.seconds, told.frames / told.fps)
    if seconds > task.seconds:
        raise UsageError(
            f"{task.name}: {seconds:.0f} seconds long; this page takes clips of up to {task.seconds:.0f}. "
            f"`facedeblur deblur` takes any"
        )
