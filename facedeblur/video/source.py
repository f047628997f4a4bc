"""What a video is to the rest of the package: an ordered supply of RGB frames.

Everything above this folder speaks to a `FrameSource`; which library decodes the file behind it is decided once, by
`facedeblur.video.open.open_source`.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from facedeblur.files import shown

DEFAULT_FPS = 25.0

Span = tuple[int, int | None]  # of frames: the first, and the one after the last or None for all that follow


class VideoError(RuntimeError):
    """A video that cannot be used. `str()` is one line, whatever the name holds: ``<path>: <reason>``."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.reason}"


class FrameSource(Protocol):
    """An open video. Sizes are in pixels; `fps` is the average rate in frames per second."""

    width: int
    height: int
    fps: float
    backend: str

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `start <= index < stop` in order as RGB uint8 (H, W, 3), each owned by the caller.

        Ends early, without an error, where the video does. Every call is a fresh pass over the video.
        """

    def read_ranges(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, frame) for the frames of `spans`, which ascend and do not overlap, in one pass.

        Frames between them are passed over in the cheapest way that the source has. Ends early as `frames` does.
        """

    def close(self) -> None:
        """Release the decoders of all unfinished passes."""

    def __enter__(self) -> FrameSource: ...

    def __exit__(self, *exc: object) -> None: ...


class SequentialSource:
    """Base of the sources here: subclasses write `_read`, a generator holding its decoder in a ``try ... finally``."""

    width: int
    height: int
    fps: float
    backend: str

    def __init__(self) -> None:
        # Weak: a pass that its reader dropped half-way must free its decoder at once, not when the source goes.
        self._passes: weakref.WeakSet[Iterator[np.ndarray]] = weakref.WeakSet()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        if start < 0:
            raise ValueError(f"start: must not be negative, got {start}")
        frames = self._read(start, stop)
        self._passes.add(frames)
        return frames

    def read_ranges(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        found = self._read_ranges(spans)
        self._passes.add(found)
        return found

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        """Whether a fresh pass from frame `start` costs less than reading on to it from frame `position`."""
        return False  # a fresh pass reads what comes before and throws it away

    def _read_ranges(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        """Reads on, or jumps where that is cheaper."""
        index, end = spans[0][0], spans[-1][1]
        frames = self.frames(index, end)
        for start, stop in spans:
            if self.is_jump_cheaper(index, start):
                frames.close()
                index, frames = start, self.frames(start, end)
            while stop is None or index < stop:
                if (frame := next(frames, None)) is None:
                    return
                if index >= start:
                    yield index, frame
                index += 1

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        for frames in list(self._passes):
            frames.close()

    def __enter__(self) -> SequentialSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def check_file(path: str | Path) -> None:
    """Raise `VideoError` for a file that no decoder needs to be asked about."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise VideoError(shown(path), "its name is not UTF-8; rename it") from None
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise VideoError(path, "file not found") from None
    except OSError as error:
        looped = error.errno == errno.ELOOP
        raise VideoError(
            path, "a symbolic link to itself" if looped else f"cannot be read ({error.strerror})"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(path, "not a file")
    if not os.access(path, os.R_OK):
        raise VideoError(path, "no permission to read it")
    if status.st_size == 0:
        raise VideoError(path, "empty file")
