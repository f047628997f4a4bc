"""The decord backend. No other module imports decord.

decord is fast and unmaintained. Five habits of it shape this file. It decodes ahead without bound once the first frame
has been asked for, so a reader is dropped as soon as it is drained. It seeks to a wrong frame in some files, so a pass
that starts later decodes what comes before. It can pass over frames without converting them to RGB, but seeks when a
key frame lies on the way, so it is led from key frame to key frame. Where frames are missing (edit lists, some MPEG
files) it repeats the last until its own count is reached; its fault tolerance is set so that this is an error. It can
hang in native code on damaged files, so files are indexed in a child process first (`facedeblur.video.index`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, SequentialSource, Span, VideoError, check_file


def import_decord() -> ModuleType:
    """decord, its warnings switched off. RuntimeError where it cannot be imported."""
    try:
        import decord
    except ImportError as error:
        raise RuntimeError(f"decord cannot be imported ({error}); use the backend pyav") from error
    decord.logging.set_level(decord.logging.QUIET)
    return decord


# Repeated frames that decord tolerates, as a share of the video: none, but 0 would switch the check off.
NO_REPEATED_FRAME = 1e-9

SKIP_COST = 8  # frames that could be read in the time decord takes to be given the ones to pass over


class DecordSource(SequentialSource):
    """A video file read by decord. Open it in the process that reads it, and read it at once.

    Attributes:
        declared_frames: decord's own count. It is too high for some files; `frames()` ends where the frames do.
    """

    backend = "decord"

    def __init__(self, path: str | Path):
        super().__init__()
        check_file(path)
        self._path = str(path)
        decord = import_decord()
        self._errors = (decord.DECORDError, decord.DECORDLimitReachedError)
        reader, first = self._start()
        self.declared_frames = len(reader)
        self.fps = float(reader.get_avg_fps()) or DEFAULT_FPS
        if first is None:
            raise VideoError(path, "no frame can be decoded")
        if first.shape[2:] != (3,):  # rows that it pads come out with a fourth channel
            raise VideoError(path, f"decord gives frames of shape {first.shape}, not RGB")
        self.height, self.width = first.shape[:2]
        self._opened: tuple[Any, Any] | None = (reader, first)  # the first pass continues with it

    def first_frame(self) -> np.ndarray:
        """A copy of frame 0; no decoding when the source has not been read yet."""
        _, frame = self._opened or self._start()
        return frame.asnumpy()

    def close(self) -> None:
        self._opened = None
        super().close()

    def _start(self) -> tuple[Any, Any | None]:
        """A new reader and its first frame."""
        decord = import_decord()
        try:
            reader = decord.VideoReader(self._path, ctx=decord.cpu(0), num_threads=1, fault_tol=NO_REPEATED_FRAME)
        except (*self._errors, AssertionError, RuntimeError) as error:
            raise VideoError(self._path, f"decord cannot open it: {_essence(error)}") from None
        return reader, self._next(reader, 0)

    def _next(self, reader: Any, index: int) -> Any | None:
        """Frame `index` as decord holds it, not copied yet, or None at the end."""
        try:
            return reader.next()
        except StopIteration:
            return None
        except self._errors as error:
            raise VideoError(self._path, f"frame {index} cannot be decoded: {_essence(error)}") from None

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for _, frame in self._read_ranges([(start, stop)]):
            yield frame

    def _read_ranges(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        if all(stop is not None and stop <= start for start, stop in spans):
            return
        opened, self._opened = self._opened, None
        reader, frame = opened or self._start()
        del opened
        index, end = 0, spans[-1][1]
        for start, stop in spans:
            while frame is not None and (stop is None or index < stop):
                following = index + 1
                if following == end:
                    reader = None  # its owner may sleep on the last frame
                if index >= start:
                    yield index, frame.asnumpy()
                elif start - following > SKIP_COST:
                    following = self._skip(reader, following, start)
                index = following
                frame = self._next(reader, index) if reader is not None else None

    def _skip(self, reader: Any, index: int, start: int) -> int:
        """Passes over frames `index` to `start` - 1 where there are so many; the index of the frame that comes next."""
        keys = reader.get_key_indices()
        start = min(start, len(reader) - 1)
        while index < start:
            following = bisect_right(keys, index)
            last = min(start, keys[following] - 1 if following < len(keys) else start)
            try:
                if last > index:
                    reader.skip_frames(last - index)
                else:
                    reader.next()
            except (StopIteration, *self._errors) as error:
                raise VideoError(self._path, f"frame {index} cannot be decoded: {_essence(error)}") from None
            index = max(last, index + 1)
        return index


def _essence(error: Exception) -> str:
    """What a decord error says, without its source position, C++ condition and stack trace."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rsplit("] ", 1)[-1].rsplit("Check failed: ", 1)[-1].rsplit(") ", 1)[-1][:160]
