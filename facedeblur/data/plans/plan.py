"""The window plan: a Parquet table with one row per (blurry, sharp) pair that a corpus can give.

A plan is made once per corpus and schedule, read by training and evaluation alike, and can be opened with any Parquet
tool. Its columns are `SCHEMA`:

    corpus, identity, split     where the clip comes from
    video, backend              file, and the reader that decodes it
    content                     fingerprint of the file that was planned (`video.files`); "" where it is not known
    schedule, response          blur schedule by name; response curve ("identity" or "gamma<exponent>")
    start, length, reverse      the window (`Window`); a kernel schedule has windows of length 1
    kernel_seed                 what regenerates the kernel; -1 where frames are averaged
    x, y, side                  crop box in pixels of the frame, from the landmarks of the target frame
    psnr, ssim                  blurred against sharp: luminance of the crop at 256 px; PSNR in dB, capped at 60
    shot                        number of the shot inside the video
    stop                        what ended the window: "length", "overlap", "quality", "flow", "cap", "end", "kernel"
    landmarks                   68 (x, y) of the target frame, in pixels of the frame
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.blur.windows import Window
from facedeblur.data.plans.landmarks import COLUMN, GROUP_ROWS, Landmarks
from facedeblur.faces.crop import CropBox
from facedeblur.files import write_atomic

_NAME = pa.dictionary(pa.int32(), pa.string())  # few distinct values: one code per row
SCHEMA = pa.schema(
    [
        ("corpus", _NAME),
        ("identity", _NAME),
        ("split", _NAME),
        ("video", _NAME),
        ("backend", _NAME),
        ("content", _NAME),
        ("schedule", _NAME),
        ("response", _NAME),
        ("start", pa.int32()),
        ("length", pa.int32()),
        ("reverse", pa.bool_()),
        ("kernel_seed", pa.int64()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("side", pa.int32()),
        ("psnr", pa.float32()),
        ("ssim", pa.float32()),
        ("shot", pa.int32()),
        ("stop", _NAME),
        ("landmarks", pa.list_(pa.float32(), 136)),
    ]
)
LIGHT = pa.schema([column for column in SCHEMA if column.name != COLUMN])  # what a plan holds in memory


@dataclass(frozen=True, eq=False)
class PlannedWindow:
    """One row of a plan. `kernel_seed` is None where frames are averaged; `landmarks` is (68, 2) float32 in pixels."""

    window: Window
    corpus: str
    identity: str
    split: str
    backend: str
    content: str
    schedule: str
    response: str
    kernel_seed: int | None
    crop: CropBox
    psnr: float
    ssim: float
    shot: int
    stop: str
    landmarks: np.ndarray


class Plan:
    """An immutable table of windows over a pyarrow Table with the columns of `SCHEMA`.

    Landmarks may be given apart from the table; those of a plan that was read from a file stay there (`Landmarks`).
    """

    def __init__(self, table: pa.Table, landmarks: Landmarks | None = None) -> None:
        needed = LIGHT if landmarks is not None else SCHEMA
        missing = [name for name in needed.names if name not in table.column_names]
        if missing:
            raise ValueError(f"plan: column(s) {', '.join(missing)} missing; make the plan again with `prepare`")
        if landmarks is None:
            column = table.column(COLUMN).cast(SCHEMA.field(COLUMN).type).combine_chunks()
            points = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, 68, 2)
            landmarks = Landmarks.of(points, table.num_rows)
        self.table = table.select(LIGHT.names).cast(LIGHT).unify_dictionaries().combine_chunks()
        self.landmarks = landmarks
        self._columns: dict[str, np.ndarray] = {}
        self._codes: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def from_rows(cls, rows: list[dict]) -> Plan:
        """A plan of dictionaries keyed by column; `landmarks` may be any (68, 2) array, `content` may be missing."""
        flat = [{"content": "", **row, COLUMN: np.asarray(row[COLUMN], np.float32).reshape(136)} for row in rows]
        return cls(pa.Table.from_pylist(flat, schema=SCHEMA))

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """All but the landmarks, which are looked up in the file when they are asked for.

        Raises FileNotFoundError, or ValueError naming the file when it is not a plan.
        """
        try:
            schema = pq.read_schema(path)
            if schema.get_field_index(COLUMN) < 0:
                raise ValueError(f"no column {COLUMN}")
            table = pq.read_table(path, columns=[name for name in LIGHT.names if name in schema.names])
            return cls(table, Landmarks.of(str(Path(path).resolve()), table.num_rows))
        except (pa.ArrowInvalid, ValueError) as error:
            raise ValueError(f"{path}: not a window plan ({error})") from error

    def write(self, path: str | Path) -> None:
        """Atomically: a reader sees the old file or the whole new one."""

        def write(file: Path) -> None:
            with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
                for first in range(0, len(self), GROUP_ROWS):
                    writer.write_table(self._whole(first, min(first + GROUP_ROWS, len(self))))

        write_atomic(Path(path), write)

    def _whole(self, start: int, stop: int) -> pa.Table:
        """Rows [start, stop) with their landmarks."""
        points = self.landmarks.take(np.arange(start, stop)).ravel()
        column = pa.FixedSizeListArray.from_arrays(pa.array(points), 136)
        return self.table.slice(start, stop - start).append_column(SCHEMA.field(COLUMN), column).cast(SCHEMA)

    def __len__(self) -> int:
        return self.table.num_rows

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_columns": {}, "_codes": {}}  # without what it has unpacked

    def fingerprint(self, measured: bool = False, salt: str = "") -> str:
        """Hash of the windows: equal plans, equal hash. Paths count as they were given.

        `measured`: the strength of their blur counts too, so that other content under the same names differs.
        """
        digest = hashlib.sha256(salt.encode())
        if measured:
            digest.update(self.column("psnr").tobytes())
        for name in ("video", "schedule", "response", "start", "length", "reverse", "kernel_seed", "x", "y", "side"):
            digest.update(repr(self.table.column(name).to_pylist()).encode())
        return digest.hexdigest()[:16]

    def column(self, name: str) -> np.ndarray:
        """A column as an array of len(self); strings as objects, landmarks as (n, 68, 2) float32. Do not modify it."""
        if name == COLUMN:
            return self.landmarks.take(np.arange(len(self)))
        if name not in self._columns:
            if pa.types.is_dictionary(LIGHT.field(name).type):
                names, codes = self.codes(name)
                self._columns[name] = names[codes]  # one string object per distinct value
            else:
                self._columns[name] = self.table.column(name).combine_chunks().to_numpy(zero_copy_only=False)
        return self._columns[name]

    def codes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column of strings as its distinct values, sorted, and the place of each row's value among them."""
        if name not in self._codes:
            column = self.table.column(name).combine_chunks()
            names = np.array(column.dictionary.to_pylist(), object)
            order = np.argsort(names, kind="stable")
            place = np.empty(len(names), np.int32)
            place[order] = np.arange(len(names), dtype=np.int32)
            codes = column.indices.to_numpy(zero_copy_only=False)
            self._codes[name] = names[order], place[codes] if len(names) else np.zeros(0, np.int32)
        return self._codes[name]

    def where(self, **values: str | bool) -> np.ndarray:
        """Mask of the rows whose columns have these values."""
        mask = np.ones(len(self), bool)
        for name, value in values.items():
            if isinstance(value, str):
                names, codes = self.codes(name)
                mask &= np.isin(codes, np.flatnonzero(names == value))
            else:
                mask &= self.column(name) == value
        return mask

    def groups(self, *names: str) -> Iterator[tuple[tuple, np.ndarray]]:
        """(values of these columns, indices of the rows that have them), sorted by the values."""
        members: dict[tuple, list[int]] = {}
        for row, key in enumerate(zip(*(self.column(name).tolist() for name in names), strict=True)):
            members.setdefault(key, []).append(row)
        yield from ((key, np.array(members[key])) for key in sorted(members))

    def select(self, indices: np.ndarray | Iterable[int]) -> Plan:
        """The rows at `indices`, in that order; a boolean mask of len(self) selects the rows where it is true."""
        indices = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        indices = indices.astype(np.int64)
        return Plan(self.table.take(pa.array(indices)), self.landmarks.select(indices))

    @staticmethod
    def concat(plans: Iterable[Plan]) -> Plan:
        """The rows of all plans, one plan after another."""
        plans = list(plans)
        if not plans:
            return Plan(SCHEMA.empty_table())
        return Plan(pa.concat_tables([plan.table for plan in plans]), Landmarks.concat([p.landmarks for p in plans]))

    def __getitem__(self, index: int) -> PlannedWindow:
        row = {name: self._value(name, index) for name in LIGHT.names}
        seed = int(row["kernel_seed"])
        return PlannedWindow(
            window=Window(row["video"], int(row["start"]), int(row["length"]), bool(row["reverse"])),
            corpus=row["corpus"],
            identity=row["identity"],
            split=row["split"],
            backend=row["backend"],
            content=row["content"],
            schedule=row["schedule"],
            response=row["response"],
            kernel_seed=None if seed < 0 else seed,
            crop=CropBox(int(row["x"]), int(row["y"]), int(row["side"])),
            psnr=float(row["psnr"]),
            ssim=float(row["ssim"]),
            shot=int(row["shot"]),
            stop=row["stop"],
            landmarks=self.landmarks[index],
        )

    def _value(self, name: str, index: int) -> Any:
        if pa.types.is_dictionary(LIGHT.field(name).type):
            names, codes = self.codes(name)
            return names[codes[index]]
        return self.column(name)[index]
