"""Tiles of a corpus in memory or in one file on the disk: made once, completed where they are cut off or damaged.

    <cache>/frames/<key>/index.npz    which tiles there are (`FrameIndex`)
    <cache>/frames/<key>/tiles.u8     (N, side, side, 3) uint8, mapped into memory
    <cache>/frames/<key>/state.json   per video: checksum of its tiles, or why it has none

A video counts as stored once its checksum is written down, and every opening compares all checksums: what is missing,
cut off or changed is decoded again. In memory the same file is an anonymous one, which ends with the process.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.tiles import TileSettings, cut_tile
from facedeblur.files import write_json
from facedeblur.processes import Failure, run_limited
from facedeblur.video.album import is_missing
from facedeblur.video.fingerprint import check_content
from facedeblur.video.open import open_source
from facedeblur.video.source import VideoError

SHARE = 0.5  # of the free memory, or of the free disk, that a store may take
SECONDS = 120.0, 0.5  # for a video, and more for each of its frames, before decoding it counts as hung
SAVE_EVERY = 5.0  # seconds between two writings of state.json
FORMAT = 1

Progress = Callable[[int, int, str], None]


@dataclass
class FrameStore:
    """Tiles by row of their index.

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
        return int(SHARE * _free_memory())
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
        path, owner = anonymous(bytes_needed(index, settings))
        missing = _fill(path, index, settings, list(range(len(index.videos))), jobs, progress, lambda video, crc: None)
        return FrameStore(path, index, settings, missing, _owner=owner)
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

        missing = _fill(str(path), index, settings, waiting, jobs, progress, done) if waiting else {}
        if waiting:
            _save(folder, sums)
    return FrameStore(str(path), index, settings, missing)


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


# -- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """A video to decode into `path`; `index` holds its runs alone, at the rows `rows` of the whole store."""

    path: str
    total: int
    index: FrameIndex
    rows: tuple[int, ...]
    settings: TileSettings


def _fill(
    path: str,
    index: FrameIndex,
    settings: TileSettings,
    videos: list[int],
    jobs: int,
    progress: Progress | None,
    done: Callable[[str, int], None],
) -> dict[str, str]:
    """Decodes the tiles of some videos into a file; the videos that cannot be read, and why."""
    tasks = [_task(path, index, settings, video) for video in videos]
    missing: dict[str, str] = {}
    limit = lambda task: SECONDS[0] + SECONDS[1] * len(task.index)  # noqa: E731
    for count, (number, outcome) in enumerate(run_limited(write_tiles, tasks, jobs, limit), start=1):
        video = str(index.videos[videos[number]])
        if isinstance(outcome, int):
            done(video, outcome)
        else:
            missing[video] = outcome.reason if isinstance(outcome, Failure) else outcome
        if progress:
            progress(count, len(tasks), video)
    return missing


def _task(path: str, index: FrameIndex, settings: TileSettings, video: int) -> _Task:
    runs = np.array(index.runs_of(str(index.videos[video])))
    rows = np.concatenate([np.arange(index.run_row[run], index.run_row[run] + index.run_count[run]) for run in runs])
    counts = index.run_count[runs]
    own = FrameIndex(
        videos=index.videos[video : video + 1],
        backends=index.backends[video : video + 1],
        contents=index.contents[video : video + 1],
        run_video=np.zeros(len(runs), np.int32),
        run_first=index.run_first[runs],
        run_row=np.cumsum(counts) - counts,
        run_count=counts,
        run_scale=index.run_scale[runs],
        offsets=index.offsets[rows],
        boxes=index.boxes[rows],
        landmarks=index.landmarks[:0],  # not needed to decode
    )
    return _Task(path, len(index), own, tuple(index.run_row[runs].tolist()), settings)


def write_tiles(task: _Task) -> int | str:
    """Runs in a child process: decodes one video; the checksum of its tiles, or why it cannot be read."""
    cv2.setNumThreads(1)
    index, video = task.index, str(task.index.videos[0])
    side = task.settings.side
    tiles = np.memmap(task.path, np.uint8, "r+", shape=(task.total, side, side, 3))
    wanted: dict[int, list[tuple[int, int, int]]] = {}  # frame -> (run, its place in the run, row of the store)
    for run, row in enumerate(task.rows):
        for place in range(int(index.run_count[run])):
            wanted.setdefault(int(index.run_first[run]) + place, []).append((run, place, row + place))
    spans = _spans(sorted(wanted))
    try:
        check_content(video, str(index.contents[0]))
        with open_source(video, str(index.backends[0])) as source:
            for number, frame in source.stretches(spans):
                if is_missing(frame):
                    return f"photo {number} is gone or cannot be decoded"
                for run, place, row in wanted.pop(number, ()):
                    offset = index.offsets[int(index.run_row[run]) + place]
                    tiles[row] = cut_tile(frame, float(index.run_scale[run]), offset, side)
    except VideoError as error:
        return error.reason
    if wanted:
        return f"ends before frame {min(wanted)}"
    tiles.flush()
    crc = 0
    for row, count in zip(task.rows, index.run_count.tolist(), strict=True):
        crc = zlib.crc32(tiles[row : row + count], crc)
    return crc


def _spans(frames: list[int]) -> list[tuple[int, int]]:
    """Maximal stretches [start, stop) of consecutive frames."""
    numbers = np.array(frames)
    edges = np.flatnonzero(np.diff(numbers) > 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(numbers, edges)]


# -- files ------------------------------------------------------------------------------------------------------------


def mapped(path: str, index: FrameIndex, settings: TileSettings, mode: str) -> np.ndarray:
    """The tiles in a file as an array (N, side, side, 3) uint8; `mode` as of `numpy.memmap`."""
    shape = (len(index), settings.side, settings.side, 3)
    return np.asarray(np.memmap(path, np.uint8, mode, shape=shape))


def _sized(path: Path, size: int) -> None:
    """Makes the file, or cuts or fills it up with zeros, so that it has `size` bytes."""
    with open(path, "ab") as file:
        if file.tell() != size:
            file.truncate(size)


def anonymous(size: int) -> tuple[str, object]:
    """A file of `size` bytes in memory that other processes can open while this one lives, and what keeps it there."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("facedeblur-frames")
        os.truncate(descriptor, size)
        owner = _Owner(descriptor)
        return f"/proc/{os.getpid()}/fd/{descriptor}", owner
    file = tempfile.NamedTemporaryFile(prefix="facedeblur-frames-")  # noqa: SIM115 - lives as long as the store
    file.truncate(size)
    return file.name, file


class _Owner:
    """Closes a file descriptor when it goes."""

    def __init__(self, descriptor: int) -> None:
        weakref.finalize(self, os.close, descriptor)


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _state(folder: Path) -> dict[str, int]:
    """Checksums by video; {} where the file is missing, cut off or of another format."""
    try:
        state = json.loads((folder / "state.json").read_text())
        return dict(state["checksums"]) if state["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(folder: Path, sums: dict[str, int]) -> None:
    write_json(folder / "state.json", {"format": FORMAT, "checksums": sums})
