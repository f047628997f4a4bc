"""What is to be read and where its result goes: checked before any work starts."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from facedeblur.errors import UsageError
from facedeblur.files import NAME_BYTES, remove_leftovers, shown
from facedeblur.inference.kinds import VIDEO, kind_of_file
from facedeblur.inference.photo import SUFFIXES as PHOTO_OUTPUTS
from facedeblur.video.rewrite import CONTAINERS

STDIN = "-"


@dataclass(frozen=True)
class FileJob:
    """One file to read and the one to write; `name` is what messages call it. Target None: standard output."""

    source: Path
    name: str
    video: bool
    target: Path | None = None


@contextmanager
def stdin_as_file(inputs: Sequence[str]) -> Iterator[list[str]]:
    """The inputs, "-" replaced by a temporary file with what standard input holds, however much that is."""
    if STDIN not in inputs:
        yield list(inputs)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        if not path.stat().st_size:
            raise UsageError("-: standard input is empty")
        yield [str(path) if given == STDIN else given for given in inputs]


def find_inputs(inputs: Sequence[str], leave_out: Callable[[Path], object] = lambda file: None) -> list[FileJob]:
    """Jobs without targets for files, folders (their own pictures and videos) and patterns, in order, each file once.

    `leave_out` is called with the files in folders that are neither by their content nor by their name.

    Raises:
        UsageError: an input that is not there or holds nothing.
    """
    found: dict[Path, FileJob] = {}
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_dir():
            files = []
            for file in sorted(path.iterdir()):
                if file.is_file() and not file.name.startswith("."):
                    files.append(file) if kind_of_file(file) else leave_out(file)
            if not files:
                raise UsageError(f"{given}: no pictures or videos in this folder")
        elif path.exists():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if Path(name).is_file()]
            if not files:
                raise UsageError(f"{given}: no such file, folder or pattern")
        for file in files:
            found.setdefault(file.resolve(), FileJob(file, _name(file), is_video(file)))
    return list(found.values())


def is_video(path: Path) -> bool:
    """By its content or its name; where neither says anything, by whether Pillow knows it."""
    if kind := kind_of_file(path):
        return kind == VIDEO
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path):
            return False
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return True
    except Image.DecompressionBombError:
        return False


def with_targets(jobs: Sequence[FileJob], out: str) -> list[FileJob]:
    """The jobs with their targets: `out` itself where it names a file for the only input, else files in this folder.

    In a folder photos become `<name>.png`, and videos keep their container where H.264 fits into it, else Matroska.

    Raises:
        UsageError: `out` is a file for several inputs, of an unknown format, or an input itself.
    """
    path = Path(out).expanduser()
    if out == STDIN:
        if len(jobs) != 1 or jobs[0].video:
            raise UsageError("-o -: standard output takes the result of one picture")
        return list(jobs)
    if path.suffix and not path.is_dir() and not out.endswith(os.sep):
        targets = [_single(jobs, path)]
    else:
        stems = Counter(job.source.stem for job in jobs)
        targets = [path / (_stem(job, stems) + _suffix(job)) for job in jobs]
        twice = [target for target, times in Counter(targets).items() if times > 1]
        if twice:
            raise UsageError(f"{twice[0]}: would be the result of several inputs; deblur their folders one by one")
    sources = {job.source.resolve() for job in jobs}
    for target in targets:
        if target.resolve() in sources:
            raise UsageError(f"{target}: is an input; name another output")
    return [replace(job, target=target) for job, target in zip(jobs, targets, strict=True)]


def check_writable(jobs: Sequence[FileJob], force: bool, resume: bool) -> list[FileJob]:
    """Make the output folders, try to write there, and return the jobs that are to be done.

    Results that exist are an error, or with `resume` done already, or with `force` to be replaced.
    """
    for job in jobs:
        if job.target and len(os.fsencode(job.target.name)) > NAME_BYTES:
            name = f"{shown(job.target.name)[:40]}..."
            raise UsageError(f"{name}: a name of more than {NAME_BYTES} bytes, which no file may have; name another -o")
    there = [job for job in jobs if job.target and job.target.exists()]
    if there and not (force or resume):
        flag = "ARGS=" if os.environ.get("FACEDEBLUR_MAKE") else ""
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{there[0].target}{more}: exists; {flag}--force overwrites, {flag}--resume keeps what is there"
        )
    for folder in sorted({job.target.parent for job in jobs if job.target}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                remove_leftovers(folder)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written to ({error.strerror}); choose another -o") from None
    return [job for job in jobs if force or job not in there]


def _name(file: Path) -> str:
    return STDIN if file.name == "stdin" and not file.suffix else str(file)


def _single(jobs: Sequence[FileJob], path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix not in (*PHOTO_OUTPUTS, *CONTAINERS):
        known = " ".join((*PHOTO_OUTPUTS, *CONTAINERS))
        raise UsageError(f"-o {path}: cannot be written as {suffix}; one of {known}, or a folder (end it with /)")
    if len(jobs) != 1:
        raise UsageError(f"-o {path}: one file for {len(jobs)} inputs; name a folder")
    if jobs[0].video != (suffix in CONTAINERS):
        kind, known = ("video", CONTAINERS) if jobs[0].video else ("picture", PHOTO_OUTPUTS)
        raise UsageError(f"-o {path}: {jobs[0].name} is a {kind}; name an output {' '.join(known)}, or a folder")
    return path


def _stem(job: FileJob, stems: Counter[str]) -> str:
    """`a` of a.jpg, unless there is another a: then a.jpg."""
    return job.source.stem if stems[job.source.stem] == 1 else job.source.name


def _suffix(job: FileJob) -> str:
    if not job.video:
        return ".png"
    suffix = job.source.suffix.lower()
    return suffix if suffix in CONTAINERS else ".mkv"
