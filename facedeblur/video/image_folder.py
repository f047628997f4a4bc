"""A folder of images, read like a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facedeblur.images import IMAGE_SUFFIXES, read_image
from facedeblur.video.source import DEFAULT_FPS, SequentialSource, VideoError


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key that reads digits as numbers: "0.9.jpg" before "0.10.jpg"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


class ImageFolderSource(SequentialSource):
    """A folder of images, in the order of their names (10 after 9), all of the size of the first."""

    backend = "images"

    def __init__(self, path: str | Path, fps: float = DEFAULT_FPS):
        super().__init__()
        self._folder = Path(path)
        images = [file for file in self._folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        self._files = sorted(images, key=lambda file: natural_order(file.name))
        if not self._files:
            raise VideoError(path, "no images in this folder")
        self.height, self.width = self._load(self._files[0]).shape[:2]
        self.fps = fps

    def _load(self, file: Path) -> np.ndarray:
        image = read_image(file)
        if image is None:
            raise VideoError(file, "cannot be decoded")
        return image

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        return start > position

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for file in self._files[start:stop]:
            image = self._load(file)
            if image.shape[:2] != (self.height, self.width):
                raise VideoError(file, f"size {image.shape[1]}x{image.shape[0]}, expected {self.width}x{self.height}")
            yield image
