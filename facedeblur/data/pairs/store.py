"""The cache of finished face crops: pairs of a plan in tar shards, found by row.

The shards have WebDataset's form (`facedeblur.data.pairs.files`), so other programs can read them too. Beside them lies
`index.npy`: where each row's images are. An epoch then reads the pairs it draws and decodes no video; which pairs it
draws, their order, their augmentation and their meta data are the stream's as ever.
"""

from __future__ import annotations

import logging
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from facedeblur.blur.schedule import Schedule
from facedeblur.data.pairs.files import PairFormat, Progress, is_complete, write_pairs
from facedeblur.data.plans.plan import Plan
from facedeblur.files import write_atomic
from facedeblur.images import decode_image
from facedeblur.video.source import VideoError

log = logging.getLogger(__name__)

INDEX = "index.npy"
OPEN_FILES = 32


@dataclass
class PairStore:
    """Pairs of a plan by row.

    Attributes:
        index: (n, 5) int64: shard, offset and bytes of blurry, the same of sharp; shard -1 where a pair could not be
            made.

    Files are opened where they are read.
    """

    folder: str
    index: np.ndarray
    _open: dict[int, int] = field(default_factory=dict, repr=False)

    def read(self, row: int, video: str) -> tuple[np.ndarray, np.ndarray]:
        """(blurry, sharp), RGB uint8 (size, size, 3). Raises VideoError where the pair is not there."""
        shard, *where = self.index[row].tolist()
        if shard < 0:
            raise VideoError(video, "could not be read when the cache of its pairs was made")
        try:
            file = self._file(shard)
            return self._image(file, *where[:2]), self._image(file, *where[2:])
        except (OSError, cv2.error) as error:
            raise VideoError(video, f"the cache of its pairs in {self.folder} cannot be read ({error})") from None

    def select(self, rows: np.ndarray) -> PairStore:
        """The pairs of `plan.select(rows)`."""
        return PairStore(self.folder, self.index[rows])

    def bytes_per_pair(self) -> float:
        """Of image data, on average."""
        there = self.index[self.index[:, 0] >= 0]
        return float((there[:, 2] + there[:, 4]).mean())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}

    def _file(self, shard: int) -> int:
        if shard not in self._open:
            while len(self._open) >= OPEN_FILES:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[shard] = os.open(_shard(self.folder, shard), os.O_RDONLY)
        return self._open[shard]

    @staticmethod
    def _image(file: int, offset: int, size: int) -> np.ndarray:
        data = os.pread(file, size, offset)
        image = decode_image(data) if len(data) == size else None
        if image is None:
            raise OSError("a damaged image")
        return image


def open_store(
    plan: Plan,
    cache_dir: str | Path,
    size: int,
    image: str = "png",
    jobs: int = 1,
    schedules: Sequence[Schedule] = (),
    progress: Progress | None = None,
) -> PairStore:
    """The store of all pairs of a plan at `size` pixels, made now where it is not there; arguments as `write_pairs`.

    Parts that cannot be written now are missing in this store, and tried again by the next call.
    PNG gives the pairs of the stream to the bit. Safe for several processes: the second waits for the first.
    """
    settings = "-".join(sorted(schedule.fingerprint() for schedule in schedules))
    key = plan.fingerprint(measured=True, salt=settings)
    folder = Path(cache_dir).resolve() / "pairs" / f"{key}-{size}-{image}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not ((folder / INDEX).is_file() and is_complete(folder)):
            written = write_pairs(plan, folder, PairFormat("shards", image, size), jobs, schedules, progress)
            for name, reason in written.skipped + written.failed:
                log.warning(f"not in the cache of pairs: {name}: {reason}")
            index = _index_of(folder, len(plan))
            if written.failed:  # a full disk, a hang: no index is kept, so that the next call tries these parts again
                return PairStore(str(folder), index)
            write_atomic(folder / INDEX, partial(_save, index))
    return PairStore(str(folder), np.load(folder / INDEX))


def _index_of(folder: Path, rows: int) -> np.ndarray:
    """`PairStore.index` of the shards that are there."""
    index = np.full((rows, 5), -1, np.int64)
    for path in sorted(folder.glob("shard-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, kind, *_ = member.name.split(".")
                if kind in ("blurry", "sharp"):
                    index[int(key), 0] = int(path.stem.removeprefix("shard-"))
                    first = 1 if kind == "blurry" else 3
                    index[int(key), first : first + 2] = member.offset_data, member.size
    return index


def _save(index: np.ndarray, file: Path) -> None:
    with file.open("wb") as stream:
        np.save(stream, index)


def _shard(folder: str, number: int) -> str:
    return os.path.join(folder, f"shard-{number:06}.tar")
