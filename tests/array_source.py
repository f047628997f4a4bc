"""Frames in memory behind the interface of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, SequentialSource


class ArraySource(SequentialSource):
    """Frames already in memory: a sequence of RGB uint8 (H, W, 3), or one array (F, H, W, 3)."""

    backend = "array"

    def __init__(self, frames: Sequence[np.ndarray] | np.ndarray, fps: float = DEFAULT_FPS):
        super().__init__()
        if not len(frames):
            raise ValueError("frames: at least one is needed, got none")
        self._frames = frames
        self.height, self.width = frames[0].shape[:2]
        self.fps = fps

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        return start > position

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for frame in self._frames[start:stop]:
            yield frame.copy()
