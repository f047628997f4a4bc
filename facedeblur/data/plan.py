"""The window plan: a Parquet table with one row per (blurry, sharp) pair that a corpus can give.

A plan is made once per corpus and schedule, read by training and evaluation alike, and can be opened with any Parquet
tool. Its columns are `SCHEMA`:

    corpus, identity, split     where the clip comes from
    video, backend              file, and the reader that decodes it
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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.blur.windows import Window
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


@dataclass(frozen=True, eq=False)
class PlannedWindow:
    """One row of a plan. `kernel_seed` is None where frames are averaged; `landmarks` is (68, 2) float32 in pixels."""

    window: Window
    corpus: str
    identity: str
    split: str
    backend: str
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
    """An immutable table of windows over a pyarrow Table with the columns of `SCHEMA`."""

    def __init__(self, table: pa.Table) -> None:
        missing = [name for name in SCHEMA.names if name not in table.column_names]
        if missing:
            raise ValueError(f"plan: column(s) {', '.join(missing)} missing; make the plan again with `prepare`")
        self.table = table.select(SCHEMA.names).cast(SCHEMA).unify_dictionaries().combine_chunks()
        self._columns: dict[str, np.ndarray] = {}

    @classmethod
    def from_rows(cls, rows: list[dict]) -> Plan:
        """A plan of dictionaries keyed by column; `landmarks` may be any (68, 2) array."""
        flat = [{**row, "landmarks": np.asarray(row["landmarks"], np.float32).reshape(136)} for row in rows]
        return cls(pa.Table.from_pylist(flat, schema=SCHEMA))

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """Raises FileNotFoundError, or ValueError naming the file when it is not a plan."""
        try:
            return cls(pq.read_table(path))
        except (pa.ArrowInvalid, ValueError) as error:
            raise ValueError(f"{path}: not a window plan ({error})") from error

    def write(self, path: str | Path) -> None:
        """Atomically: a reader sees the old file or the whole new one."""
        write_atomic(Path(path), lambda file: pq.write_table(self.table, file, compression="zstd"))

    def __len__(self) -> int:
        return self.table.num_rows

    def fingerprint(self) -> str:
        """Hash of the windows: equal plans, equal hash. Paths count as they were given."""
        digest = hashlib.sha256()
        for name in ("video", "schedule", "response", "start", "length", "reverse", "kernel_seed", "x", "y", "side"):
            digest.update(repr(self.table.column(name).to_pylist()).encode())
        return digest.hexdigest()[:16]

    def column(self, name: str) -> np.ndarray:
        """A column as an array of len(self); strings as objects, landmarks as (n, 68, 2) float32. Do not modify it."""
        if name not in self._columns:
            column = self.table.column(name).combine_chunks()
            if name == "landmarks":
                array = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, 68, 2)
            else:
                array = column.to_numpy(zero_copy_only=False)
            self._columns[name] = array
        return self._columns[name]

    def select(self, indices: np.ndarray | Iterable[int]) -> Plan:
        """The rows at `indices`, in that order; a boolean mask of len(self) selects the rows where it is true."""
        indices = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        return Plan(self.table.take(pa.array(indices.astype(np.int64))))

    @staticmethod
    def concat(plans: Iterable[Plan]) -> Plan:
        """The rows of all plans, one plan after another."""
        tables = [plan.table for plan in plans]
        return Plan(pa.concat_tables(tables)) if tables else Plan(SCHEMA.empty_table())

    def __getitem__(self, index: int) -> PlannedWindow:
        row = {name: self.column(name)[index] for name in SCHEMA.names}
        seed = int(row["kernel_seed"])
        return PlannedWindow(
            window=Window(row["video"], int(row["start"]), int(row["length"]), bool(row["reverse"])),
            corpus=row["corpus"],
            identity=row["identity"],
            split=row["split"],
            backend=row["backend"],
            schedule=row["schedule"],
            response=row["response"],
            kernel_seed=None if seed < 0 else seed,
            crop=CropBox(int(row["x"]), int(row["y"]), int(row["side"])),
            psnr=float(row["psnr"]),
            ssim=float(row["ssim"]),
            shot=int(row["shot"]),
            stop=row["stop"],
            landmarks=row["landmarks"],
        )
