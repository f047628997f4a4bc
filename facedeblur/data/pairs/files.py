"""A plan's pairs as files that any project can read: folders of images, or tar shards in WebDataset's form.

    folders   <folder>/blurry/000/00000012.png   <folder>/sharp/000/00000012.png   <folder>/pairs.jsonl
    shards    <folder>/shard-000000.tar, each with 00000012.blurry.png, 00000012.sharp.png, 00000012.json, ...

The key is the row of the plan. `pairs.jsonl` and the .json members hold one object per pair, its `meta` (see `Pair`).
The work is cut into parts of whole videos, written by several processes, each part complete or absent: what was
interrupted goes on where it was.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facedeblur.blur.schedule import Schedule
from facedeblur.data.pairs.pair import Pair, describe, read_pairs
from facedeblur.data.plans.plan import Plan
from facedeblur.errors import UsageError
from facedeblur.files import replacing, write_atomic, write_json
from facedeblur.images import encode_image
from facedeblur.processes import Failure, run_limited
from facedeblur.settings import check
from facedeblur.video.source import VideoError

LAYOUTS = ("folders", "shards")
IMAGES = {  # PNG is exact; JPEG at this quality and without colour subsampling is within some grey levels of it
    "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]),
    "jpeg": (
        ".jpg",
        [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    ),
}
PART = 1000  # pairs
SECONDS = 120.0, 1.0  # for a part, and more for each of its pairs, before writing it counts as hung
MANIFEST = "export.json"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class PairFormat:
    """`layout`: "folders" or "shards"; `image`: "png" or "jpeg"; `size`: side of the images in pixels."""

    layout: str = "shards"
    image: str = "png"
    size: int = 256

    def __post_init__(self) -> None:
        check(self.layout in LAYOUTS, "layout", f"one of {', '.join(LAYOUTS)}", self.layout)
        check(self.image in IMAGES, "image", f"one of {', '.join(IMAGES)}", self.image)

    def encode(self, image: np.ndarray) -> bytes:
        """RGB uint8 (S, S, 3) to a file's content."""
        suffix, options = IMAGES[self.image]
        return encode_image(image, suffix, options)

    @property
    def suffix(self) -> str:
        return IMAGES[self.image][0]


@dataclass(frozen=True)
class Written:
    """What of a plan lies in files now.

    Attributes:
        pairs: how many.
        skipped: (video, reason) of those that could not be read, whose pairs are missing.
        failed: (part, reason) of those that could not be written: the next call tries them again.
    """

    pairs: int
    skipped: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Part:
    """Rows of a plan that one process writes: `plan` holds only these, `rows` are their places in the whole plan."""

    number: int
    plan: Plan
    rows: np.ndarray
    form: PairFormat
    folder: Path
    schedules: tuple[Schedule, ...]

    @property
    def file(self) -> Path:
        """What exists once the part is complete."""
        if self.form.layout == "shards":
            return self.folder / f"shard-{self.number:06}.tar"
        return self.folder / "parts" / f"{self.number:06}.jsonl"

    def pairs(self) -> int:
        """How many the complete part holds: fewer than its rows where a video could not be read."""
        if self.form.layout == "folders":
            return self.file.read_bytes().count(b"\n")
        with tarfile.open(self.file) as tar:
            return sum(member.name.endswith(".json") for member in tar)


def write_pairs(
    plan: Plan,
    folder: str | Path,
    form: PairFormat,
    jobs: int = 1,
    schedules: Sequence[Schedule] = (),
    progress: Progress | None = None,
) -> Written:
    """Writes every pair of a plan below `folder`; parts that are there already are left as they are.

    Args:
        jobs: processes that decode and write at the same time.
        schedules: kernel schedules whose settings are not the default ones.
        progress: called as `progress(pairs done, pairs, last part)`.

    Raises:
        UsageError: the folder holds other pairs, or nothing could be written.
    """
    folder = Path(folder)
    wanted = {"plan": plan.fingerprint(), "pairs": len(plan), "layout": form.layout, "image": form.image}
    wanted |= {"size": form.size, "schedules": sorted(schedule.fingerprint() for schedule in schedules)}
    manifest = _manifest(folder, wanted)
    if manifest.get("state") == "done":
        return Written(manifest.get("written", len(plan)), tuple((v, why) for v, why in manifest["skipped"]))
    write_json(folder / MANIFEST, {**wanted, "state": "unfinished", "skipped": []})
    parts = [
        _Part(number, plan.select(rows), rows, form, folder, tuple(schedules)) for number, rows in enumerate(_cut(plan))
    ]
    skipped, failed = [], []
    waiting = [part for part in parts if not part.file.exists()]
    done = len(plan) - sum(len(part.rows) for part in waiting)
    pairs = sum(part.pairs() for part in parts if part.file.exists())
    limit = lambda part: SECONDS[0] + SECONDS[1] * len(part.rows)  # noqa: E731
    for number, outcome in run_limited(_write_part, waiting, jobs, limit):
        part = waiting[number]
        if isinstance(outcome, Failure):
            failed.append((part.file.name, f"cannot be written: {outcome.reason}"))
        else:
            skipped += outcome
            pairs += part.pairs()
        done += len(part.rows)
        if progress:
            progress(done, len(plan), part.file.name)
    complete = [part for part in parts if part.file.exists()]
    if not complete:
        raise UsageError(f"{folder}: no pair could be written: {failed[0][0]}: {failed[0][1]}")
    if form.layout == "folders":
        with replacing(folder / "pairs.jsonl") as joined, joined.open("wb") as file:
            for part in complete:
                file.write(part.file.read_bytes())
    if len(complete) == len(parts):  # else a second call tries the others again
        write_json(folder / MANIFEST, {**wanted, "state": "done", "written": pairs, "skipped": skipped})
        shutil.rmtree(folder / "parts", ignore_errors=True)  # they are in pairs.jsonl
    return Written(pairs, tuple(skipped), tuple(failed))


def is_complete(folder: Path) -> bool:
    """Whether every part is written: what is missing then cannot be read."""
    path = folder / MANIFEST
    return path.is_file() and json.loads(path.read_text()).get("state") == "done"


def _manifest(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the folder says it holds; {} for a new one."""
    path = folder / MANIFEST
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder}: holds files that are no export; choose an empty folder")
        return {}
    found = json.loads(path.read_text())
    for key, value in wanted.items():
        if found.get(key) != value:
            raise UsageError(f"{folder}: holds pairs of another {key} ({found.get(key)}, not {value}); choose another")
    return found


def _cut(plan: Plan) -> Iterator[np.ndarray]:
    """Rows in parts of at most `PART`, a video's together where they fit in one, forward inside each video."""
    codes = plan.codes("video")[1]
    order = np.lexsort((plan.column("start") + plan.column("length"), codes))
    part: list[int] = []
    for _, group in groupby(order.tolist(), key=codes.__getitem__):
        rows = list(group)
        if part and len(part) + len(rows) > PART:
            yield np.array(part)
            part = []
        while len(rows) > PART:
            yield np.array(rows[:PART])
            rows = rows[PART:]
        part += rows
    if part:
        yield np.array(part)


def _write_part(part: _Part) -> list[tuple[str, str]]:
    """Runs in a child process; returns the videos that could not be read."""
    cv2.setNumThreads(1)
    problems: list[tuple[str, str]] = []
    if part.form.layout == "shards":
        with replacing(part.file) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, pair in _pairs(part, problems):
                _add(tar, f"{key}.blurry{part.form.suffix}", part.form.encode(pair.blurry))
                _add(tar, f"{key}.sharp{part.form.suffix}", part.form.encode(pair.sharp))
                _add(tar, f"{key}.json", _json(key, pair))
        return problems
    lines = []
    for key, pair in _pairs(part, problems):
        for name in ("blurry", "sharp"):
            path = part.folder / name / f"{part.number:03}" / f"{key}{part.form.suffix}"
            write_atomic(path, part.form.encode(getattr(pair, name)))
        lines.append(_json(f"{part.number:03}/{key}", pair))
    write_atomic(part.file, b"".join(line + b"\n" for line in lines))
    return problems


def _pairs(part: _Part, problems: list[tuple[str, str]]) -> Iterator[tuple[str, Pair]]:
    """(key, pair), each video read forward once."""
    schedules = {schedule.name: schedule for schedule in part.schedules}
    names, codes = part.plan.codes("video")
    for code, group in groupby(range(len(part.rows)), key=codes.__getitem__):
        metas = [describe(part.plan[i], int(part.rows[i]), part.form.size, schedules) for i in group]
        try:
            for pair in read_pairs(metas):
                yield f"{pair.meta.row:08}", pair
        except VideoError as error:
            problems.append((names[code], error.reason))


def _json(key: str, pair: Pair) -> bytes:
    meta = {name: value for name, value in pair.meta.to_dict().items() if name != "augment"}
    meta["landmarks"] = np.round(meta["landmarks"].astype(np.float64), 2).tolist()
    return json.dumps({"key": key, **meta}).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
