"""Files in memory: where stored frames lie that are not on the disk, one for all processes of a training.

Reader processes map the file of the process that made it. So do the later processes of a DDP group, which the first one
starts: otherwise each would decode every video again, and need room for all faces again.
"""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

_NAME = "facedeblur-frames-"


class _Owner:
    """Closes a file descriptor when it goes."""

    def __init__(self, descriptor: int) -> None:
        weakref.finalize(self, os.close, descriptor)


def anonymous(size: int, name: str = "") -> tuple[str, object]:
    """A file of `size` bytes in memory that other processes can open while this one lives, and what keeps it there."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(_NAME + name)
        os.truncate(descriptor, size)
        return _path(descriptor), _Owner(descriptor)
    file = tempfile.NamedTemporaryFile(prefix=_NAME)  # noqa: SIM115 - lives as long as the store
    file.truncate(size)
    return file.name, file


def complete(path: str, missing: Mapping[str, str]) -> None:
    """Marks a file as filled, by what could not be filled in and why, behind its content."""
    with open(path, "ab") as file:
        file.write(json.dumps(dict(missing)).encode())


def of_parent(size: int, name: str) -> tuple[str, object, dict[str, str]] | None:
    """The completed file of `size` bytes and of that name in the process that started this one: a path to it, what
    keeps it there, and what it lacks. None where there is none, or where the system has no such files."""
    for given in _descriptors(os.getppid()):
        try:
            if not os.readlink(given).startswith(f"/memfd:{_NAME}{name} "):
                continue
            descriptor = os.open(given, os.O_RDONLY)
        except OSError:  # closed meanwhile, or another user's
            continue
        owner = _Owner(descriptor)
        if missing := os.pread(descriptor, os.fstat(descriptor).st_size, size):
            return _path(descriptor), owner, json.loads(missing)
    return None


def free_memory() -> int:
    """Bytes that may be taken without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _path(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _descriptors(process: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return []
