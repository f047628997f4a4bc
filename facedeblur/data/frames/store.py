"""Tiles of a corpus in memory or in one file on the disk: made once, completed where they are cut off or damaged.

    <cache>/frames/<key>/index.npz    which tiles there are (`FrameIndex`)
    <cache>/frames/<key>/tiles.u8     (N, side, side, 3) uint8, mapped into memory
    <cache>/frames/<key>/state.json   per video: checksum of its tiles, or why it has none

A video counts as stored once its checksum is written down, and every opening compares all checksums: what is missing,
cut off or changed is decoded again. In memory the same file is one of `frames.memory`, which ends with the process.
"""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from facedeblur.data.frames.fill import Progress, fill
from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.memory import anonymous, complete, free_memory, of_parent
from facedeblur.data.frames.tiles import TileSettings
from facedeblur.files import read_json, write_json

SHARE = 0.5  # of the free memory, or of the free disk, that a store may take
SAVE_EVERY = 5.0  # seconds between two writings of state.json
FORMAT = 1


@dataclass
class FrameStore:
    """Tiles by row of their index.

    Attributes:
        missing: file -> why none of its tiles is there.

    The file is mapped where tiles are read, so that a store can be sent to other processes.
    """

    path: str
    index: FrameIndex
    settings: TileSettings
    missing: dict[str, str] = field(default_factory=dict)
    _tiles: np.ndarray | None = field(default=None, repr=False)
    _owner: Any = field(default=None, repr=False)

    @property
    def tiles(self) -> np.ndarray:
        """(N, side, side, 3) uint8, read-only."""
        if self._tiles is None:
            self._tiles = mapped(self.path, self.index, self.settings, "r")
        return self._tiles

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_tiles": None, "_owner": None}


def bytes_needed(index: FrameIndex, settings: TileSettings) -> int:
    return len(index) * settings.bytes


def bytes_free(keep: str, cache: str | Path) -> int:
    """What a store may take of the memory or of the disk now, beside any limit that was set."""
    if keep in ("memory", "device"):
        return int(SHARE * free_memory())
    folder = Path(cache)
    while not folder.exists():
        folder = folder.parent
    return int(SHARE * shutil.disk_usage(folder).free)


def does_not_fit(
    index: FrameIndex, settings: TileSettings, keep: str, cache: str | Path, limit: float | None
) -> str | None:
    """One line with the figures where a store would be larger than `limit` (GB) or than what is free; else None."""
    needed, folder = bytes_needed(index, settings), store_folder(index, settings, cache)
    there = folder.is_dir() and (folder / "tiles.u8").exists() and keep == "disk"
    free = bytes_free(keep, cache) + ((folder / "tiles.u8").stat().st_size if there else 0)
    what = f"data.frames={keep}: {len(index)} faces at {settings.side} px take {needed / 1e9:.2f} GB"
    if limit is not None and needed > limit * 1e9:
        return f"{what}, more than the {limit:g} GB of data.frames_limit; reading videos instead (stream)"
    if needed > free:
        where = "disk" if keep == "disk" else "memory"
        return f"{what}, more than half of the free {where} ({free / 1e9:.2f} GB); reading videos instead (stream)"
    return None


def store_folder(index: FrameIndex, settings: TileSettings, cache: str | Path) -> Path:
    return Path(cache).resolve() / "frames" / index.fingerprint(settings)


def open_frames(
    index: FrameIndex,
    settings: TileSettings,
    keep: str,
    cache: str | Path,
    jobs: int = 1,
    progress: Progress | None = None,
) -> FrameStore:
    """The store of all tiles of an index; what is not there, or not as it was written, is decoded now.

    Args:
        keep: "memory", "disk", or "device": in memory first.
        cache: folder of stores on the disk. Safe for several processes: the second waits for the first.
        jobs: processes that decode.
        progress: called as `progress(videos done, videos, name)`.

    Videos that cannot be read are named in `missing`, and tried again by the next call.
    """
    if keep in ("memory", "device"):
        every = list(range(len(index.videos)))
        return in_memory(
            index, settings, lambda path: fill(path, index, settings, every, jobs, progress, lambda video, crc: None)
        )
    folder = store_folder(index, settings, cache)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        path = folder / "tiles.u8"
        sums = _state(folder)
        _sized(path, bytes_needed(index, settings))
        waiting = damaged(path, index, settings, sums)
        if not (folder / "index.npz").exists():
            index.write(folder / "index.npz")
        saved = [time.monotonic()]
        for video in waiting:
            sums.pop(str(index.videos[video]), None)

        def done(video: str, crc: int) -> None:
            sums[video] = crc
            if time.monotonic() - saved[0] > SAVE_EVERY:
                saved[0] = time.monotonic()
                _save(folder, sums)

        missing = fill(str(path), index, settings, waiting, jobs, progress, done) if waiting else {}
        if waiting:
            _save(folder, sums)
    return FrameStore(str(path), index, settings, missing)


def in_memory(
    index: FrameIndex, settings: TileSettings, make: Callable[[str], dict[str, str]], kind: str = ""
) -> FrameStore:
    """A store in memory that `make(path)` fills, returning what is missing and why.

    In a later process of a DDP group it is the store of the process that started it.

    kind: how the tiles were made, where that is not decided by the index alone.
    """
    if (shared := shared_memory(index, settings, kind)) is not None:
        return shared
    path, owner = anonymous(bytes_needed(index, settings), kind + index.fingerprint(settings))
    missing = make(path)
    complete(path, missing)
    return FrameStore(path, index, settings, missing, _owner=owner)


def shared_memory(index: FrameIndex, settings: TileSettings, kind: str = "") -> FrameStore | None:
    """The store that the process which started this one has in memory."""
    found = of_parent(bytes_needed(index, settings), kind + index.fingerprint(settings))
    return FrameStore(found[0], index, settings, found[2], _owner=found[1]) if found else None


def damaged(path: Path, index: FrameIndex, settings: TileSettings, sums: dict[str, int]) -> list[int]:
    """Numbers of the videos whose tiles in `path` are not those of the checksums: all are read and compared."""
    tiles = mapped(str(path), index, settings, "r")
    return [
        code
        for code, video in enumerate(index.videos.tolist())
        if sums.get(video) is None or sums[video] != checksum(tiles, index, code)
    ]


def checksum(tiles: np.ndarray, index: FrameIndex, video: int) -> int:
    """CRC-32 of the tiles of one video."""
    crc = 0
    for run in index.runs_of(str(index.videos[video])):
        first = int(index.run_row[run])
        crc = zlib.crc32(tiles[first : first + int(index.run_count[run])], crc)
    return crc


def mapped(path: str, index: FrameIndex, settings: TileSettings, mode: str) -> np.ndarray:
    """The tiles in a file as an array (N, side, side, 3) uint8; `mode` as of `numpy.memmap`."""
    shape = (len(index), settings.side, settings.side, 3)
    return np.asarray(np.memmap(path, np.uint8, mode, shape=shape))


def _sized(path: Path, size: int) -> None:
    """Makes the file, or cuts or fills it up with zeros, so that it has `size` bytes."""
    with open(path, "ab") as file:
        if file.tell() != size:
            file.truncate(size)


def _state(folder: Path) -> dict[str, int]:
    """Checksums by video; {} where the file is missing, cut off or of another format."""
    state = read_json(folder / "state.json", {})
    return state.get("checksums", {}) if state.get("format") == FORMAT else {}


def _save(folder: Path, sums: dict[str, int]) -> None:
    write_json(folder / "state.json", {"format": FORMAT, "checksums": sums})
