"""A score on parts of the images: by number of averaged frames, strength of the blur, category, corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facedeblur.metrics.strength import quarters, quartiles
from facedeblur.report.rows import BLURRED, Rows
from facedeblur.report.summary import NAN, blur_title, finite_mean, ordered_methods, per_image
from facedeblur.report.table import Column, Table, label, number


def breakdown(rows: Rows, parts: Sequence[tuple[str, np.ndarray]], caption: str, measure: str) -> Table:
    """A measure of every method (rows) on parts of the images (columns), given as (name, mask over the rows)."""
    percent = measure == "failure"
    digits = {"failure": 1, "psnr": 2}.get(measure, 3)
    parts = [(name, rows.select(mask)) for name, mask in parts if mask.any()]
    columns = [Column("Method", numeric=False), *(Column(name, higher=not percent) for name, _ in parts)]
    counts = "; ".join(f"{name}: {len(set(part.image_keys())):,}" for name, part in parts)
    lines = []
    for method in ordered_methods(rows):
        cells = [label(method)]
        for _, part in parts:
            mean = finite_mean(per_image(part.where(method=method), measure))
            cells.append(number(100 * mean if percent else mean, digits))
        lines.append(tuple(cells))
    return Table(tuple(columns), tuple(lines), caption, (f"Images: {counts}.",))


def length_parts(rows: Rows, most: int = 8) -> list[tuple[str, np.ndarray]]:
    """Parts by the number of averaged frames: each length where they are few, else ranges holding as many images."""
    lengths = rows["L"]
    distinct = sorted(set(lengths.tolist()))
    if len(distinct) <= most:
        return [(f"L = {length}", lengths == length) for length in distinct]
    edges = sorted({int(q) for q in np.quantile(lengths, np.linspace(0, 1, 6), method="nearest")})
    starts = [edges[0], *(edge + 1 for edge in edges[1:-1])]
    return [
        (f"L = {low} – {high}" if low < high else f"L = {low}", (lengths >= low) & (lengths <= high))
        for low, high in zip(starts, edges[1:], strict=True)
    ]


def column_parts(rows: Rows, column: str) -> list[tuple[str, np.ndarray]]:
    """Parts by the values of a column: corpus, category, blur."""
    name: Callable[[str], str] = blur_title if column == "blur" else str
    return [(name(value) or "none", rows[column] == value) for value in sorted(rows.distinct(column))]


def strength_parts(rows: Rows) -> list[tuple[str, np.ndarray]]:
    """Quarters of the images by PSNR(blurred, sharp), the strongest blur first; empty without PSNR of blurred rows."""
    blurred = rows.where(method=BLURRED)
    pairs = zip(blurred.image_keys(), blurred["psnr"].tolist(), strict=True)
    strength = {key: value for key, value in pairs if np.isfinite(value)}
    if len(strength) < 8:
        return []
    cuts = quartiles(list(strength.values()))
    quarter = quarters([strength.get(key, NAN) for key in rows.image_keys()], cuts)
    names = ("strongest quarter", "strong", "weak", "weakest quarter")
    low, middle, high = (f"{cut:.1f} dB" for cut in cuts)
    ranges = (f"≤ {low}", f"{low} – {middle}", f"{middle} – {high}", f"> {high}")
    return [(f"{name} ({text})", quarter == i) for i, (name, text) in enumerate(zip(names, ranges, strict=True))]
