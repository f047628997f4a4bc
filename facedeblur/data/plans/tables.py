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

from collections.abc import Mapping
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

TABLES = ("clips", "identities", "schedules", "lengths", "blur", "faces", "stops", "rejects", "skipped")
SSIM_BIN, FACE_BIN = 0.02, 32
Row = dict[str, Any]


def write_tables(folder: Path, sets: Mapping[str, tuple[Plan, PlanReport]]) -> None:
    """Write every table as `<folder>/<name>.parquet`, atomically."""
    found = {key: _tables(plan, report) for key, (plan, report) in sets.items()}
    for name in TABLES:
        rows = [{"set": key, **row} for key, tables in found.items() for row in tables[name]]
        table = pa.Table.from_pylist(rows) if rows else pa.table({"set": pa.array([], pa.string())})
        write_atomic(folder / f"{name}.parquet", lambda file, table=table: pq.write_table(table, file))


def _tables(plan: Plan, report: PlanReport) -> dict[str, list[Row]]:
    """The rows of every table of one set."""
    people, passes = ("corpus", "identity", "split"), ("corpus", "schedule", "reverse")
    ssim = {schedule: plan.column("ssim")[rows] for (schedule,), rows in plan.groups("schedule")}
    blur = {schedule: _histogram(values, SSIM_BIN) for schedule, values in ssim.items()}
    return {
        "clips": [asdict(c) | {"path": shown(c.path), "reason": c.reason or ""} for c in report.clips],
        "identities": [dict(zip(people, key, strict=True)) | _means(plan, rows) for key, rows in plan.groups(*people)],
        "schedules": [dict(zip(passes, key, strict=True)) | _means(plan, rows) for key, rows in plan.groups(*passes)],
        "lengths": _counted(report.lengths, "length", "windows"),
        "blur": [{"schedule": s, "ssim": round(edge, 2), "windows": n} for s, bins in blur.items() for edge, n in bins],
        "faces": [
            {"face": int(edge), "windows": n} for edge, n in _histogram(plan.column("side") / CROP_SCALE, FACE_BIN)
        ],
        "stops": _counted(report.stops, "stop", "windows"),
        "rejects": _counted(report.rejects, "reason", "candidates"),
        "skipped": [{"path": shown(path), "reason": reason} for path, reason in report.skipped],
    }


def _means(plan: Plan, rows: np.ndarray) -> Row:
    """Clips, windows, and the means over some rows."""
    means = {name: float(plan.column(name)[rows].mean()) for name in ("length", "psnr", "ssim")}
    clips = len(set(plan.column("video")[rows]))
    return {"clips": clips, "windows": len(rows), **means, "face": float(plan.column("side")[rows].mean() / CROP_SCALE)}


def _counted(found: Mapping[str, Mapping[Any, int]], name: str, what: str) -> list[Row]:
    """A row per count: schedule, `name`, and under `what` how many."""
    return [{"schedule": s, name: value, what: n} for s, counts in found.items() for value, n in counts.items()]


def _histogram(values: np.ndarray, width: float) -> list[tuple[float, int]]:
    """(lower edge, count) of every bin between the smallest and the largest value."""
    bins = np.floor(np.asarray(values, np.float64) / width + 1e-9).astype(int)
    if not len(bins):
        return []
    counts = np.bincount(bins - bins.min())
    return [((bins.min() + i) * width, int(count)) for i, count in enumerate(counts)]
