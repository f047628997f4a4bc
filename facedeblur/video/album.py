"""Stills as a source of frames: an album lists photos, and reads like a video of which every frame is its own shot.

Photos come in millions, and a file of one frame each would cost a cache entry, a process's attention and a reader per
photo. So a corpus writes them down in albums of some hundred: one JSON object per line,

    {"image": "/photos/ann/1.jpg", "points": "/photos/ann/1.pts" or null, "offset": -1, "bytes": 81234, "stamp": 1731}

where an offset from 0 on means base64 of that many bytes inside a file (MS-Celeb's TSV). Bytes and stamp (time of
change) tell a changed photo from the one before. Pairs of files that were made elsewhere have "blurry" and its stamp,
too: the file of the blurry partner.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facedeblur.files import write_atomic
from facedeblur.images import decode_image
from facedeblur.video.source import DEFAULT_FPS, SequentialSource, VideoError

SUFFIX = ".album"
BOUND = 1 << 15  # pixels; no photo is wider or higher


@dataclass(frozen=True)
class Still:
    """One photo: a file, or from `offset` on `bytes` of base64 in one; `points` is its .pts file.

    `blurry`: the same photo blurred, a file of the same size in pixels; None: there is none.
    """

    image: str
    points: str | None = None
    offset: int = -1
    bytes: int = 0
    stamp: int = 0
    blurry: str | None = None
    blurry_stamp: int = 0

    def written(self) -> dict[str, Any]:
        """As an album has it: a photo without a partner does not speak of one."""
        return {name: value for name, value in asdict(self).items() if self.blurry or not name.startswith("blurry")}

    def load(self) -> np.ndarray | None:
        """RGB uint8 (H, W, 3), upright; None where it is gone or cannot be decoded."""
        try:
            with open(self.image, "rb") as file:
                if self.offset >= 0:
                    file.seek(self.offset)
                    data = base64.b64decode(file.read(self.bytes))
                else:
                    data = file.read()
            image = decode_image(data)
        except (OSError, binascii.Error, cv2.error):
            return None
        return None if image is None or max(image.shape) > BOUND else image


def write_album(path: Path, stills: Iterable[Still]) -> None:
    """Atomically."""
    write_atomic(path, "".join(json.dumps(still.written()) + "\n" for still in stills))


def read_album(path: str | Path) -> list[Still]:
    """Raises VideoError naming the file."""
    try:
        return [Still(**json.loads(line)) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise VideoError(path, f"not an album ({error})") from None


class AlbumSource(SequentialSource):
    """The photos of an album in turn, each of its own size; `width` and `height` only bound them.

    A photo that cannot be read comes as one black pixel, so that the others keep their places: see `is_missing`.
    """

    backend = "album"

    def __init__(self, path: str | Path, stills: Sequence[Still] | None = None):
        super().__init__()
        self.path, self.stills = path, read_album(path) if stills is None else list(stills)
        if not self.stills:
            raise VideoError(path, "an album without photos")
        self.width = self.height = BOUND
        self.fps = DEFAULT_FPS

    def blurry(self) -> AlbumSource | None:
        """The blurry partners, in the same order; None unless every photo has one."""
        if not all(still.blurry for still in self.stills):
            return None
        return AlbumSource(self.path, [Still(still.blurry) for still in self.stills])

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        return start > position

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for still in self.stills[start:stop]:
            image = still.load()
            yield np.zeros((1, 1, 3), np.uint8) if image is None else image


def is_missing(frame: np.ndarray) -> bool:
    """Whether a frame of an album stands for a photo that cannot be read."""
    return frame.shape[:2] == (1, 1)
