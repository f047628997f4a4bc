"""What preparation found, as Parquet tables that any tool opens and the report page is made from.

Every table has a column "set" (such as "adversarial stage, train") in front; a folder holds several sets.

    clips       one row per file: see `ClipFacts`
    identities  corpus, identity, split, clips, windows, mean length (frames), PSNR (dB), SSIM and face (px)
    schedules   corpus, schedule, reverse, windows, clips with a window, mean length, PSNR, SSIM
    lengths     schedule, length (frames), windows
    blur        schedule, ssim (lower edge of a bin of 0.02), windows
    faces       face (lower edge of a bin of 32 px: longer side of the box of the landmarks), windows
    stops       schedule, stop (what ended the window), windows
    rejects     schedule, reason, candidates
    skipped     path, reason of the files that give no window
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import PlanReport
from facedeblur.faces.crop import CROP_SCALE
from facedeblur.files import shown, write_atomic

SSIM_BIN, FACE_BIN = 0.02, 32
Row = dict[str, Any]


def write_tables(folder: Path, sets: Mapping[str, tuple[Plan, PlanReport]]) -> None:
    """Write every table as `<folder>/<name>.parquet`, atomically."""
    for name, make in TABLES.items():
        rows = [{"set": key, **row} for key, (plan, report) in sets.items() for row in make(plan, report)]
        table = pa.Table.from_pylist(rows) if rows else pa.table({"set": pa.array([], pa.string())})
        write_atomic(folder / f"{name}.parquet", lambda file, table=table: pq.write_table(table, file))


def _clips(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for facts in report.clips:
        yield asdict(facts) | {"path": shown(facts.path), "reason": facts.reason or ""}


def _skipped(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for path, reason in report.skipped:
        yield {"path": shown(path), "reason": reason}


def _identities(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for (corpus, identity, split), rows in _groups(plan, "corpus", "identity", "split"):
        clips = len(set(plan.column("video")[rows]))
        yield {"corpus": corpus, "identity": identity, "split": split, "clips": clips} | _means(plan, rows)


def _schedules(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for (corpus, schedule, reverse), rows in _groups(plan, "corpus", "schedule", "reverse"):
        clips = len(set(plan.column("video")[rows]))
        yield {"corpus": corpus, "schedule": schedule, "reverse": bool(reverse), "clips": clips} | _means(plan, rows)


def _means(plan: Plan, rows: np.ndarray) -> Row:
    means = {name: float(plan.column(name)[rows].mean()) for name in ("length", "psnr", "ssim")}
    return {"windows": len(rows), **means, "face": float(plan.column("side")[rows].mean() / CROP_SCALE)}


def _lengths(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for schedule, counts in report.lengths.items():
        yield from ({"schedule": schedule, "length": n, "windows": count} for n, count in sorted(counts.items()))


def _blur(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for (schedule,), rows in _groups(plan, "schedule"):
        for edge, count in _histogram(plan.column("ssim")[rows], SSIM_BIN):
            yield {"schedule": schedule, "ssim": round(edge, 2), "windows": count}


def _faces(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for edge, count in _histogram(plan.column("side") / CROP_SCALE, FACE_BIN):
        yield {"face": int(edge), "windows": count}


def _stops(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for schedule, counts in report.stops.items():
        yield from ({"schedule": schedule, "stop": stop, "windows": count} for stop, count in counts.items())


def _rejects(plan: Plan, report: PlanReport) -> Iterator[Row]:
    for schedule, counts in report.rejects.items():
        yield from ({"schedule": schedule, "reason": why, "candidates": count} for why, count in counts.items())


def _groups(plan: Plan, *names: str) -> Iterator[tuple[tuple, np.ndarray]]:
    """(values of these columns, rows that have them), sorted."""
    members: dict[tuple, list[int]] = {}
    for row, key in enumerate(zip(*(plan.column(name) for name in names), strict=True)):
        members.setdefault(key, []).append(row)
    yield from ((key, np.array(members[key])) for key in sorted(members))


def _histogram(values: np.ndarray, width: float) -> list[tuple[float, int]]:
    """(lower edge, count) of every bin between the smallest and the largest value."""
    bins = np.floor(np.asarray(values, np.float64) / width + 1e-9).astype(int)
    if not len(bins):
        return []
    counts = np.bincount(bins - bins.min())
    return [((bins.min() + i) * width, int(count)) for i, count in enumerate(counts)]


TABLES: dict[str, Callable[[Plan, PlanReport], Iterator[Row]]] = {
    "clips": _clips,
    "identities": _identities,
    "schedules": _schedules,
    "lengths": _lengths,
    "blur": _blur,
    "faces": _faces,
    "stops": _stops,
    "rejects": _rejects,
    "skipped": _skipped,
}
