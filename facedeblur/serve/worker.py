"""The network in a child process: a job that takes too long, or crashes a decoder, ends with it; the page lives on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.processes import SPAWN

START_SECONDS = 180.0  # to import torch and load the weights
LOOK_SECONDS = 0.1  # between two looks at whether anybody still waits for the result
STOP_SECONDS = 10.0  # seconds that a child has to stop when asked, then it is ended

Progress = Callable[[int, int], object]  # frames done, frames in all
COMMANDS = ("ffmpeg ", "--", "pip ", "name the output", "nothing written")  # no remedies for a visitor of a page


class NoFaceError(UsageError):
    """No face was found; a visitor can say where it is."""


class StoppedError(UsageError):
    """A job whose client has left."""


@dataclass(frozen=True)
class Settings:
    """Of the child: what `facedeblur.load` takes."""

    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Task:
    """A file to deblur.

    Attributes:
        source: the file; whether it is a picture or a video, its content says.
        target: where its result goes, without a suffix.
        name: what errors call it.
        always, strength, boxes: as in `DeblurOptions`.
        seconds: the longest clip that is taken.
    """

    source: Path
    target: Path
    name: str
    always: bool
    seconds: float
    strength: float = 1.0
    boxes: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Result:
    """The file that was written, its faces, and those (of a video: the frames) that were left alone because sharp."""

    file: Path
    faces: int
    sharp: int
    frames: int


class Worker:
    """One child process that deblurs one file at a time. Not for several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts the child and waits for its network. Raises UsageError where that cannot be loaded."""
        self.stop()
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_serve, args=(self.settings, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._answer(START_SECONDS, "the network")

    def run(
        self, task: Task, timeout: float, progress: Progress | None = None, left: threading.Event | None = None
    ) -> Result:
        """Deblurs one file.

        Args:
            timeout: seconds that it may take.
            progress: called for the frames of a video.
            left: once set, the child is asked to stop with this file.

        Raises:
            NoFaceError: nothing was found.
            UsageError: the file cannot be deblurred, not within `timeout` seconds, or `left` was set.
        """
        if self._process is None or not self._process.is_alive():
            self.start()
        try:
            self._pipe.send(task)
        except OSError:  # it died since
            self.start()
            self._pipe.send(task)
        return self._answer(timeout, task.name, progress, left)

    def stop(self) -> None:
        """Ends the child."""
        with self._lock:  # the page may end while a thread waits for an answer
            process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if process is not None:
            process.kill()
            process.join()
            pipe.close()

    def _answer(
        self, timeout: float, name: str, progress: Progress | None = None, left: threading.Event | None = None
    ) -> Result:
        pipe, deadline, stop_sent = self._pipe, time.monotonic() + timeout, False
        try:
            while True:
                if left is not None and left.is_set() and not stop_sent:
                    pipe.send("stop")
                    stop_sent, deadline = True, min(deadline, time.monotonic() + STOP_SECONDS)
                if not pipe.poll(max(0.0, min(LOOK_SECONDS, deadline - time.monotonic()))):
                    if time.monotonic() < deadline:
                        continue
                    self.stop()
                    raise UsageError(f"{name}: not done within {timeout:.0f} seconds, given up")
                answer = pipe.recv()
                if not isinstance(answer, tuple):
                    break
                if progress:
                    progress(*answer)
        except (EOFError, OSError):
            self.stop()
            raise UsageError(f"{name}: the process that worked on it ended unexpectedly") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(settings: Settings, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    from facedeblur.inference.load import load

    try:
        model = load(settings.weights, settings.device)
        pipe.send(None)
        silence = os.open(os.devnull, os.O_WRONLY)  # what decoders say of visitors' files is not to be logged
        for stream in (1, 2):
            os.dup2(silence, stream)
        while True:
            task = pipe.recv()
            if not isinstance(task, Task):  # asked to stop with what is done already
                continue
            try:
                pipe.send(_deblur(model, task, pipe))
            except UsageError as error:
                kind = NoFaceError if "no face found" in str(error) else UsageError
                pipe.send(kind(_for_visitors(str(error), task)))
            except Exception as error:  # whatever a strange file does, the page goes on
                pipe.send(UsageError(f"{task.name}: cannot be deblurred ({type(error).__name__})"))
    except UsageError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass  # the page has ended


def _deblur(model, task: Task, pipe: Connection) -> Result:
    from facedeblur.inference.deblur import DeblurOptions
    from facedeblur.inference.files import FileDeblurrer
    from facedeblur.inference.jobs import FileJob, is_video

    def progress(done: int, total: int) -> None:
        if pipe.poll():
            pipe.recv()
            raise StoppedError(f"{task.name}: nobody waits for it any more")
        pipe.send((done, total))

    try:
        options = DeblurOptions(always=task.always, strength=task.strength, boxes=task.boxes)
    except ValueError as error:
        raise UsageError(str(error)) from None
    video = is_video(task.source)
    if video:
        _check_length(task)
    target = task.target.with_suffix(".mp4" if video else ".png")
    files = FileDeblurrer(model, options, progress=lambda name: progress, encode_sound=True)
    outcome = files(FileJob(task.source, task.name, video, target))
    return Result(target, outcome.faces, outcome.sharp, outcome.frames)


def _for_visitors(text: str, task: Task) -> str:
    """An error without paths of this machine and without remedies for a command line."""
    for path in (task.source, task.target.with_suffix(".mp4"), task.target.with_suffix(".png")):
        text = text.replace(str(path), task.name)
    first, *others = text.replace(f"{task.name}: {task.name}: ", f"{task.name}: ").split("; ")
    return "; ".join([first, *(part for part in others if not any(word in part for word in COMMANDS))])


def _check_length(task: Task) -> None:
    from facedeblur.video.outline import outline
    from facedeblur.video.source import VideoError

    try:
        found = outline(task.source)
    except VideoError as error:
        raise UsageError(str(error)) from None
    seconds = max(found.seconds, found.frames / found.fps, float(found.timeline.seconds))
    if seconds > task.seconds:
        raise UsageError(f"{task.name}: {seconds:.0f} seconds long; this page takes clips of up to {task.seconds:.0f}")
