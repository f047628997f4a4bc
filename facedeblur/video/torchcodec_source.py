"""The torchcodec backend, by option: its libraries need FFmpeg's on the system. No other module imports torchcodec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, SequentialSource, VideoError, check_file
from facedeblur.video.streams import open_container


def import_torchcodec() -> ModuleType:
    """torchcodec's decoders. RuntimeError with the remedy where it or FFmpeg's libraries cannot be loaded."""
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise RuntimeError(f"torchcodec cannot be loaded ({first}); use the backend auto, or install FFmpeg") from error
    return decoders


class TorchcodecSource(SequentialSource):
    """A video file read by torchcodec, one frame after another, in one thread.

    Attributes:
        declared_frames: from torchcodec's own scan of the packets.
    """

    backend = "torchcodec"

    def __init__(self, path: str | Path):
        super().__init__()
        check_file(path)
        self._path = str(path)
        self._opened: Any | None = self._open()
        self.declared_frames = len(self._opened)
        if not self.declared_frames:
            raise VideoError(path, "no frame can be decoded")
        self.fps = float(self._opened.metadata.average_fps or DEFAULT_FPS)
        self.height, self.width = self._frame(self._opened, 0).shape[:2]

    def close(self) -> None:
        self._opened = None
        super().close()

    def _open(self) -> Any:
        decoders = import_torchcodec()
        container, film = open_container(self._path)
        container.close()
        try:
            return decoders.VideoDecoder(
                self._path, stream_index=film.index, dimension_order="NHWC", num_ffmpeg_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise VideoError(self._path, f"torchcodec cannot open it: {_first_line(error)}") from None

    def _frame(self, decoder: Any, index: int) -> np.ndarray:
        try:
            return decoder[index].numpy()
        except (RuntimeError, IndexError) as error:
            raise VideoError(self._path, f"frame {index} cannot be decoded: {_first_line(error)}") from None

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        opened, self._opened = self._opened, None
        decoder = opened or self._open()
        del opened
        for index in range(start, min(self.declared_frames, stop if stop is not None else self.declared_frames)):
            yield self._frame(decoder, index)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
