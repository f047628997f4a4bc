"""The PyAV backend: decodes on demand, on every platform, whatever FFmpeg can read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, PassSource, VideoError, check_file


class PyAVSource(PassSource):
    """A video file read by PyAV in the calling thread, one packet at a time.

    Attributes:
        declared_frames: what the container says, or an estimate from its duration; 0 if it says nothing.
    """

    backend = "pyav"

    def __init__(self, path: str | Path):
        super().__init__()
        check_file(path)
        self._path = str(path)
        container, stream = self._open()
        with container:
            self.width, self.height = stream.width, stream.height
            self.fps = float(stream.average_rate or DEFAULT_FPS)
            seconds = (container.duration or 0) / 1e6
            self.declared_frames = stream.frames or round(seconds * self.fps)
        if not (self.width and self.height):
            raise VideoError(path, "video stream without a frame size")

    def count_packets(self) -> int:
        """How many packets the file holds that are to be shown, without decoding any."""
        container, stream = self._open()
        with container:
            return sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))

    def _open(self) -> tuple[Any, Any]:
        import av

        try:
            container = av.open(self._path)
        except (av.FFmpegError, UnicodeDecodeError) as error:
            raise VideoError(self._path, f"not a video ({_said(error)})") from None
        streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            container.close()
            raise VideoError(self._path, "no video stream")
        streams[0].thread_count = 1  # a process has one thread to itself; parallelism is over videos
        return container, streams[0]

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        import av

        container, stream = self._open()
        with container:
            index = start
            try:
                for frame in islice(container.decode(stream), start, stop):
                    # A stream may change its size on the way; its readers rely on one. The array is a view of FFmpeg's
                    # padded rows, which the caller shall not own.
                    yield np.array(frame.to_ndarray(format="rgb24", width=self.width, height=self.height), order="C")
                    index += 1
            except av.FFmpegError as error:
                raise VideoError(self._path, f"frame {index} cannot be decoded: {_said(error)}") from None


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
