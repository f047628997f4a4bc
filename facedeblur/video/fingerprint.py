"""Telling files apart by content."""

from __future__ import annotations

import hashlib
import os
import stat
from functools import lru_cache
from pathlib import Path

from facedeblur.video.source import VideoError, check_file

SAMPLE_BYTES = 1 << 16


def fingerprint(path: str | Path) -> str:
    """24 hexadecimal digits for the content behind `path`, "" if there is none that can be read.

    Hashed are the size, head and tail of a file, or the names and sizes in a folder: enough to tell videos apart
    without reading them.
    """
    try:
        return _digest(Path(path))
    except OSError:
        return ""


def check_content(path: str | Path, expected: str) -> None:
    """Raise `VideoError` where the content behind `path` has another fingerprint than `expected`.

    An unknown fingerprint, "", matches everything: what is gone or cannot be read, its reader will say. A file is
    sampled when this process first meets it, and again once it was touched; a folder is listed every time.
    """
    if not expected:
        return
    try:
        status = os.stat(path)
    except OSError:
        return
    is_folder = stat.S_ISDIR(status.st_mode)  # its own stamp says nothing of the files in it
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    found = fingerprint(path) if is_folder else _sampled(str(path), stamp)
    if found in ("", expected):
        return
    if not is_folder:
        check_file(path)  # what is wrong with the file itself is the better reason
    raise VideoError(path, "is not the file that its windows were planned from; prepare the corpus again")


@lru_cache(maxsize=1 << 16)
def _sampled(path: str, stamp: tuple[int, ...]) -> str:
    return fingerprint(path)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(path.iterdir()):
            digest.update(f"{file.name}:{file.stat().st_size};".encode(errors="surrogateescape"))
    elif path.is_file():
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as stream:
            digest.update(stream.read(SAMPLE_BYTES))
            stream.seek(max(size - SAMPLE_BYTES, 0))
            digest.update(stream.read(SAMPLE_BYTES))
    else:
        return ""
    return digest.hexdigest()[:24]
