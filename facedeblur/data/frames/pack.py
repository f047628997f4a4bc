"""A store as one folder to carry: tiles as JPEG, with the plan of their windows. Training needs nothing else.

    <folder>/{train,val}/index.npz     which tiles there are (`FrameIndex`)
    <folder>/{train,val}/tiles.jpegs   one JPEG after another, in the order of the index
    <folder>/{train,val}/pack.json     sizes of the JPEGs, of the tiles, and a checksum for each video
    <folder>/{train,val}/plan.parquet  the windows; report.json: what preparation reported

A video whose checksum does not fit is left out: there is nothing here to read it from again.
"""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from facedeblur.cores import usable_cores
from facedeblur.data.frames.index import FaceRun, FrameIndex
from facedeblur.data.frames.memory import free_memory
from facedeblur.data.frames.store import FrameStore, bytes_needed, in_memory, mapped
from facedeblur.data.frames.tiles import TileSettings
from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import PlanReport
from facedeblur.errors import UsageError
from facedeblur.files import replacing, write_json

FORMAT, QUALITY = 1, 90
SPLITS = ("train", "val")


class PackError(UsageError):
    """A folder that holds no packed frames; the message is one line naming the file."""


def needed_runs(runs: list[FaceRun], plan: Plan) -> list[FaceRun]:
    """The runs, cut to the frames between the first and the last that a window of the plan needs."""
    names, codes = plan.codes("video")
    start, length = plan.column("start"), plan.column("length")
    cut = []
    for run in runs:
        inside = (names[codes] == run.video) & (start >= run.first)
        inside &= start + length <= run.first + len(run.landmarks)
        if inside.any():
            first, stop = int(start[inside].min()), int((start + length)[inside].max())
            points = run.landmarks[first - run.first : stop - run.first]
            cut.append(FaceRun(run.video, run.backend, run.content, first, points))
    return cut


def write_pack(folder: Path, store: FrameStore, plan: Plan, report: PlanReport, quality: int = QUALITY) -> int:
    """Writes one split; pack.json last, so that what was interrupted is no pack. Returns its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pack.json").unlink(missing_ok=True)
    sizes, sums = [], {}
    with replacing(folder / "tiles.jpegs") as temporary, temporary.open("wb") as file:
        for code, video in enumerate(store.index.videos.tolist()):
            if video in store.missing:
                sizes += [0] * _tiles_of(store.index, code)
                continue
            crc = 0
            for run in store.index.runs_of(video):
                first = int(store.index.run_row[run])
                for tile in store.tiles[first : first + int(store.index.run_count[run])]:
                    data = _encoded(tile, quality)
                    file.write(data)
                    sizes.append(len(data))
                    crc = zlib.crc32(data, crc)
            sums[video] = crc
    store.index.write(folder / "index.npz")
    plan.write(folder / "plan.parquet")
    report.write(folder / "report.json")
    header = {"format": FORMAT, "tiles": asdict(store.settings), "checksums": sums, "sizes": sizes}
    write_json(folder / "pack.json", header)
    return sum(file.stat().st_size for file in folder.iterdir())


def read_plans(root: str | Path) -> tuple[dict[str, Plan], dict[str, PlanReport]]:
    """The plans and reports of both splits. Raises PackError."""
    plans, reports = {}, {}
    for split in SPLITS:
        folder = Path(root) / split
        _header(folder)
        try:
            plans[split], reports[split] = Plan.read(folder / "plan.parquet"), PlanReport.read(folder / "report.json")
        except (OSError, ValueError) as error:
            raise PackError(f"{folder}: not packed frames ({error})") from None
    return plans, reports


def read_pack(folder: Path, size: int) -> FrameStore:
    """The tiles of one split, decoded into memory, for images of `size` pixels.

    Raises:
        PackError: there is none, it has fewer pixels than the images, or it takes more than the free memory.
    """
    header = _header(folder)
    try:
        index, settings = FrameIndex.read(folder / "index.npz"), TileSettings(**header["tiles"])
        data = np.fromfile(folder / "tiles.jpegs", np.uint8)
    except (OSError, ValueError, TypeError) as error:
        raise PackError(f"{folder}: not packed frames ({error})") from None
    if len(header["sizes"]) != len(index):
        raise PackError(f"{folder}: pack.json counts {len(header['sizes'])} faces, index.npz {len(index)}")
    if size > settings.face:
        raise PackError(
            f"{folder}: its faces have {settings.face:.0f} pixels, too few for images of {size}; pack them again with "
            f"model.image_size={size}"
        )
    return in_memory(index, settings, lambda path: _decoded(path, index, settings, header, data), kind="packed-")


def _decoded(path: str, index: FrameIndex, settings: TileSettings, header: dict, data: np.ndarray) -> dict[str, str]:
    """Fills the file `path` with the tiles whose JPEGs are `data`; the videos whose tiles are not there, and why."""
    if (needed := bytes_needed(index, settings)) > (free := free_memory()):
        raise PackError(f"{len(index)} packed faces take {needed / 1e9:.2f} GB, more than the free {free / 1e9:.2f} GB")
    ends = np.cumsum(header["sizes"])
    tiles = mapped(path, index, settings, "r+")
    missing: dict[str, str] = {}

    def decode(code: int) -> None:
        video = str(index.videos[code])
        crc, parts = 0, []
        for run in index.runs_of(video):
            first, count = int(index.run_row[run]), int(index.run_count[run])
            for row in range(first, first + count):
                part = data[ends[row] - header["sizes"][row] : ends[row]]
                crc = zlib.crc32(part, crc)
                parts.append((row, part))
        if video not in header["checksums"]:
            missing[video] = "could not be read when its faces were packed"
        elif crc != header["checksums"][video]:
            missing[video] = "its packed faces are cut off or damaged"
        else:
            for row, part in parts:
                tiles[row] = cv2.imdecode(part, cv2.IMREAD_COLOR)[..., ::-1]

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(decode, range(len(index.videos))))
    return missing


def _tiles_of(index: FrameIndex, video: int) -> int:
    return int(index.run_count[index.run_video == video].sum())


def _encoded(tile: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _header(folder: Path) -> dict:
    try:
        header = json.loads((folder / "pack.json").read_text())
        if header["format"] == FORMAT:
            return {name: header[name] for name in ("tiles", "checksums", "sizes")}
        reason = f"of format {header['format']}, not {FORMAT}"
    except OSError as error:
        reason = error.strerror or "cannot be read"
    except (ValueError, KeyError, TypeError):
        reason = "cut off or damaged"
    raise PackError(f"{folder / 'pack.json'}: {reason}; data=frames wants what data.export_frames wrote")
