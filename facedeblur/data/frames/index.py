"""Which frames of which videos a store holds, and where: a few arrays, without a pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from facedeblur.data.frames.tiles import TileSettings, place_tiles
from facedeblur.faces.crop import CropBox, crop_box
from facedeblur.files import NPZ_ERRORS, write_atomic


@dataclass(frozen=True, eq=False)
class FaceRun:
    """Consecutive frames of one shot that show one face.

    Attributes:
        video, backend, content: the file, its reader, and its fingerprint (see `Plan`).
        first: number of the first frame.
        landmarks: (n, 68, 2) float32, in pixels of the frame.
    """

    video: str
    backend: str
    content: str
    first: int
    landmarks: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The tiles of a store, run after run.

    Attributes:
        videos, backends, contents: (V,) str: files, their readers and fingerprints.
        run_video: (R,) which file; `run_first` its frame; `run_row` the first tile; `run_count` how many.
        run_scale: (R,) float64 tile pixels per pixel of the frame.
        offsets: (N, 2) int32 corners on the scaled grid, see `tiles.Placement`.
        boxes: (N, 3) int32 crop boxes x, y, side in pixels of the frame.
        landmarks: (N, 68, 2) float32 in pixels of the frame.
    """

    videos: np.ndarray
    backends: np.ndarray
    contents: np.ndarray
    run_video: np.ndarray
    run_first: np.ndarray
    run_row: np.ndarray
    run_count: np.ndarray
    run_scale: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def of(cls, runs: Iterable[FaceRun], settings: TileSettings) -> FrameIndex:
        """Places the tiles of all runs, video after video. Raises ValueError for no run."""
        runs = sorted(runs, key=lambda run: (run.video, run.first))
        if not runs:
            raise ValueError("frames: no face to store")
        files = {run.video: (run.backend, run.content) for run in runs}
        codes = {video: code for code, video in enumerate(files)}
        boxes = [[crop_box(points) for points in run.landmarks] for run in runs]
        placed = [place_tiles(found, settings) for found in boxes]
        counts = np.array([len(run.landmarks) for run in runs])
        return cls(
            videos=np.array(list(files)),
            backends=np.array([backend for backend, _ in files.values()]),
            contents=np.array([content for _, content in files.values()]),
            run_video=np.array([codes[run.video] for run in runs], np.int32),
            run_first=np.array([run.first for run in runs], np.int64),
            run_row=np.cumsum(counts) - counts,
            run_count=counts,
            run_scale=np.array([placement.scale for placement in placed]),
            offsets=np.concatenate([placement.offsets for placement in placed]),
            boxes=np.concatenate([np.array(found, np.int32).reshape(-1, 3) for found in boxes]),
            landmarks=np.concatenate([np.asarray(run.landmarks, np.float32) for run in runs]),
        )

    def __len__(self) -> int:
        """Tiles."""
        return len(self.offsets)

    def fingerprint(self, settings: TileSettings) -> str:
        """Hash of everything that decides the tiles; equal tiles, equal hash."""
        digest = hashlib.sha256(repr((settings.side, *self.videos.tolist(), *self.contents.tolist())).encode())
        for array in (self.run_video, self.run_first, self.run_count, self.run_scale, self.offsets):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Atomically, as .npz."""

        def write(file: Path) -> None:
            with file.open("wb") as stream:
                np.savez_compressed(stream, **{each.name: getattr(self, each.name) for each in fields(self)})

        write_atomic(path, write)

    @classmethod
    def read(cls, path: Path) -> FrameIndex:
        """Raises ValueError naming a file that is not one."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{each.name: stored[each.name] for each in fields(cls)})
        except NPZ_ERRORS as error:
            raise ValueError(f"{path}: not an index of stored frames ({error})") from None

    # -- looking up -----------------------------------------------------------------------------------------------

    def runs_of(self, video: str) -> Sequence[int]:
        """The runs of a file."""
        return self._runs.get(video, ())

    def find(self, video: str, start: int, length: int, box: CropBox | None = None) -> int | None:
        """The run that holds frames [start, start + length) of a file; None where no run does.

        `box`, the crop box of the middle frame, distinguishes people in the same picture.
        """
        for run in self.runs_of(video):
            first = int(self.run_first[run])
            if not first <= start <= start + length <= first + int(self.run_count[run]):
                continue
            target = self.row(run, start + length // 2)
            if box is None or tuple(self.boxes[target].tolist()) == tuple(box):
                return run
        return None

    def row(self, run: int, frame: int) -> int:
        """The tile of a frame of a run."""
        return int(self.run_row[run]) + frame - int(self.run_first[run])

    def box(self, row: int) -> CropBox:
        """The crop box of a tile's face, in pixels of the frame."""
        return CropBox(*self.boxes[row].tolist())

    @cached_property
    def _runs(self) -> dict[str, list[int]]:
        runs: dict[str, list[int]] = {}
        for run, code in enumerate(self.run_video.tolist()):
            runs.setdefault(str(self.videos[code]), []).append(run)
        return runs
