"""Decodes the tiles of videos into the file of a store: each video in a child process of its own, with a time limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.tiles import TileSettings, cut_tile
from facedeblur.processes import Failure, run_limited
from facedeblur.video.album import is_missing
from facedeblur.video.fingerprint import check_content
from facedeblur.video.open import open_source
from facedeblur.video.source import VideoError

SECONDS = 120.0, 0.5  # for a video, and more for each of its frames, before decoding it counts as hung

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Task:
    """A video to decode into `path`; `index` holds only its runs, at the rows `rows` of the whole store."""

    path: str
    total: int
    index: FrameIndex
    rows: tuple[int, ...]
    settings: TileSettings


def fill(
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


def _task(path: str, index: FrameIndex, settings: TileSettings, video: int) -> Task:
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
    return Task(path, len(index), own, tuple(index.run_row[runs].tolist()), settings)


def write_tiles(task: Task) -> int | str:
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
            for number, frame in source.read_ranges(spans):
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
