"""The score rows: one per method and image, in Parquet files of one shard each.

Whoever makes tables reads all of `<folder>/rows/*.parquet`; the columns are the fields of `ScoreRow`:

    method, corpus, category, identity, blur, video     names; video relative to its corpus
    frame, L                   target frame; frames averaged (1 for a kernel)
    psnr, ssim                 of the network-size crop, quantised to 8 bits: dB, at most 60; luminance
    landmark_error             mean distance over the diagonal of the truth's box; +inf where no face was found
    identity_cosine            between the embeddings of the restored and the sharp face; null without an embedding
    seconds                    the deblurring alone, per image
    flags                      comma-joined, of FLAGS
    landmarks, truth           68 (x, y) in pixels of the crop; landmarks null where no face was found
    embedding                  null where there is none
    image                      the restored image, relative to the folder; null if it was not saved

Metrics of the user's own follow, a column of numbers each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.errors import UsageError
from facedeblur.files import write_atomic
from facedeblur.video.image_folder import natural_order

FLAGS = ("no_face", "nan", "no_truth", "size_mismatch", "range", "error")
FOLDER = "rows"
KEY = "facedeblur"  # of what a file says about itself, see `shards`


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """What is written of one method and image; the columns are explained above. What is not known is null."""

    method: str
    corpus: str
    category: str = ""
    identity: str = ""
    blur: str
    video: str
    frame: int = 0
    L: int = 0
    psnr: float | None = None
    ssim: float | None = None
    landmark_error: float | None = None
    identity_cosine: float | None = None
    seconds: float | None = None
    flags: str = ""
    landmarks: list[float] | None = None
    truth: list[float] | None = None
    embedding: list[float] | None = None
    image: str | None = None
    own: Mapping[str, float] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Name of a column -> its value in this row."""
        known = dict(vars(self))
        return known | known.pop("own")


_COLUMNS = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "list[float]": pa.list_(pa.float32())}
SCHEMA = pa.schema(
    [(field.name, _COLUMNS[field.type.removesuffix(" | None")]) for field in fields(ScoreRow) if field.name != "own"]
)


def joined(flags: Iterable[str]) -> str:
    """Flags as the column holds them: in the order of FLAGS, each once."""
    flags = set(flags)
    return ",".join(flag for flag in FLAGS if flag in flags)


def flat(points: np.ndarray | None) -> list[float] | None:
    """(68, 2) or (D,) as the list that a column holds."""
    return None if points is None else np.asarray(points, np.float32).reshape(-1).tolist()


def table_of(rows: Iterable[ScoreRow], about: Mapping[str, str] | None = None) -> pa.Table:
    """The rows as a table of SCHEMA and of the columns of their own metrics, with `about` in its metadata."""
    rows = list(rows)
    own = pa.schema([(name, pa.float64()) for name in dict.fromkeys(name for row in rows for name in row.own)])
    schema = pa.unify_schemas([SCHEMA, own]).with_metadata(about)
    return pa.Table.from_pylist([row.columns() for row in rows], schema=schema)


def own_columns(table: pa.Table) -> list[str]:
    """The columns of metrics of the user's own."""
    return [name for name in table.column_names if name not in SCHEMA.names]


def write_rows(path: Path, rows: Iterable[ScoreRow], about: Mapping[str, str] | None = None) -> None:
    """Writes one shard, atomically; `about` is kept in the file's metadata."""
    table = table_of(rows, about)
    write_atomic(Path(path), lambda file: pq.write_table(table, file, compression="zstd"))


def read_rows(folder: str | Path, columns: list[str] | None = None) -> pa.Table:
    """All rows of an evaluation folder, in the order of their files' names. Raises UsageError where there are none.

    `columns`: those of SCHEMA to read; metrics of the user's own always come with them.
    """
    files = sorted((Path(folder) / FOLDER).glob("[!.]*.parquet"), key=lambda file: natural_order(file.name))
    if not files:
        raise UsageError(f"{folder}: no score rows; `facedeblur evaluate` writes them to {FOLDER}/*.parquet")
    try:
        tables = [pq.read_table(file) if columns is None else _some_of(file, columns) for file in files]
        return pa.concat_tables(tables, promote_options="default")  # files without rows lack the metrics of one's own
    except pa.ArrowInvalid as error:
        raise UsageError(f"{folder}: rows cannot be read: {error}") from error


def _some_of(file: Path, columns: Sequence[str]) -> pa.Table:
    own = [name for name in pq.read_schema(file).names if name not in SCHEMA.names]
    return pq.read_table(file, columns=[*columns, *own])
