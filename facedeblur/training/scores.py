"""The table a run ends with: PSNR and SSIM of blurred, hourglass and deblurred, overall and by blur strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facedeblur.metrics.strength import quarters, quartiles

QUARTERS = ("strongest", "strong", "weak", "weakest")


def summarise(rows: Sequence[Mapping[str, float]], methods: Sequence[str]) -> dict:
    """Means per method, overall and by quarter of blur strength.

    Args:
        rows: one mapping per window with `<method>_psnr` (dB) and `<method>_ssim` for each method.
        methods: in the order of the table, `blurred` among them.

    Returns:
        `{method: {"psnr", "ssim", "by_strength": {quarter: {"psnr", "ssim"}}}, "windows": n, "cut_points_db": [...]}`.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("no validation window was scored")
    strength = np.array([row["blurred_psnr"] for row in rows])
    cuts = quartiles(strength)
    quarter = quarters(strength, cuts)
    summary: dict = {}
    for method in methods:
        scores = {name: np.array([row[f"{method}_{name}"] for row in rows]) for name in ("psnr", "ssim")}
        summary[method] = {name: float(values.mean()) for name, values in scores.items()}
        summary[method]["by_strength"] = {
            label: {name: float(values[quarter == i].mean()) for name, values in scores.items()}
            for i, label in enumerate(QUARTERS)
            if (quarter == i).any()
        }
    summary["windows"] = len(rows)
    summary["cut_points_db"] = cuts
    return summary


def score_table(summary: Mapping, methods: Sequence[str], title: str = ""):
    """A rich table of `summarise`'s result: rows are methods, columns PSNR / SSIM overall and by quarter."""
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    table.add_column("PSNR dB / SSIM")
    table.add_column("all", justify="right")
    cuts = summary["cut_points_db"]
    limits = [f"< {cuts[0]:.1f} dB", f"< {cuts[1]:.1f} dB", f"< {cuts[2]:.1f} dB", f">= {cuts[2]:.1f} dB"]
    for label, limit in zip(QUARTERS, limits, strict=True):
        table.add_column(f"{label}\n{limit}", justify="right")
    for method in methods:
        scores = [summary[method], *(summary[method]["by_strength"].get(label) for label in QUARTERS)]
        cells = ("-" if s is None else f"{s['psnr']:.2f} / {s['ssim']:.3f}" for s in scores)
        table.add_row(method, *cells)
    return table
