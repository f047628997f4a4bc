"""What is on disk of a shard: one Parquet file of rows per method, which also says which windows have no rows, and why.

A shard that lost windows is made again by the next call; until then the loss stays where the status is made from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.evaluation.rows import FOLDER, KEY, ScoreRow, write_rows


@dataclass(frozen=True)
class Loss:
    """Windows of a video that could not be read."""

    video: str
    reason: str
    windows: int


@dataclass(frozen=True)
class Record:
    """One file: whose rows of which shard it holds, how many of them carry each flag, and what was lost."""

    shard: str
    method: str
    flags: Counter[str]
    lost: tuple[Loss, ...]


def write_shard(file: Path, shard: str, method: str, rows: Sequence[ScoreRow], lost: Sequence[Loss]) -> Record:
    """Writes a method's rows of a shard, atomically."""
    about = {"shard": shard, "method": method, "lost": [asdict(loss) for loss in lost]}
    write_rows(file, rows, {KEY: json.dumps(about)})
    return Record(shard, method, _counted(row.flags for row in rows), tuple(lost))


def is_complete(file: Path, windows: int) -> bool:
    """Whether a file has a row for every window of its shard; a file that is damaged has none."""
    try:
        return pq.read_metadata(file).num_rows == windows
    except (FileNotFoundError, pa.ArrowInvalid):
        return False


def read_records(folder: Path) -> dict[Path, Record]:
    """file -> its record, for all files of an evaluation. Damaged ones are left out."""
    records = {}
    for file in sorted((folder / FOLDER).glob("[!.]*.parquet")):
        try:
            table = pq.read_table(file, columns=["method", "flags"])
        except pa.ArrowInvalid:
            continue
        about = json.loads((table.schema.metadata or {}).get(KEY.encode(), b"{}"))
        method = about.get("method") or (table["method"][0].as_py() if len(table) else "")
        lost = tuple(Loss(**loss) for loss in about.get("lost", ()))
        records[file] = Record(about.get("shard", file.stem), method, _counted(table["flags"].to_pylist()), lost)
    return records


def losses(records: Iterable[Record]) -> Counter[tuple[str, str]]:
    """(video, reason) -> lost windows, each once, however many methods lack it."""
    found = {(record.shard, loss.video): loss for record in records for loss in record.lost}
    total: Counter[tuple[str, str]] = Counter()
    for loss in found.values():
        total[loss.video, loss.reason] += loss.windows
    return total


def flag_counts(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """method -> flag -> images that carry it."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        counts.setdefault(record.method, Counter()).update(record.flags)
    return {method: dict(flags) for method, flags in counts.items()}


def _counted(flags: Iterable[str]) -> Counter[str]:
    return Counter(flag for joined in flags for flag in joined.split(",") if flag)
