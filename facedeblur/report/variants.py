"""Variants of a method, over their seeds: table 4, and any other comparison of trained runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facedeblur.metrics.bootstrap import mean_sd
from facedeblur.report.paper_tables import not_compared
from facedeblur.report.published import counterpart, paper_variant
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.summary import Summary, ordered_methods, summarise
from facedeblur.report.table import Cell, Column, Table, label, number, ranked

SEED = re.compile(r"(.+)-s(\d+)")


def variant_of(method: str) -> str:
    """The variant of a row called by variant and seed: "final-s1" -> "final"."""
    found = SEED.fullmatch(method)
    return found[1] if found else method


def variant_table(rows: Rows, blur: str, caption: str, notes: Sequence[str] = ()) -> Table:
    """AUC, failure rate and SSIM of each variant with the printed figures beside them; mean and sd over seeds."""
    columns = [Column("Method", numeric=False), Column("Seeds", higher=False)]
    for name, higher in (("AUC", True), ("Failure rate (%)", False), ("SSIM", True)):
        columns += [Column("ours", name, higher=higher), Column("printed", name, higher=higher)]
    columns.append(Column("Gap closed (%)"))
    seeds: dict[str, list[Summary]] = {}
    for method in ordered_methods(rows):
        seeds.setdefault(variant_of(method), []).append(summarise(rows, method, blur))
    variants = {method: paper_variant(method, rows.method_sources(method)) for method in ordered_methods(rows)}
    lines, competing = [], []
    for variant, summaries in seeds.items():
        reference = variant in (BLURRED, ORACLE)
        claims = {variants[summary.method][0] for summary in summaries}
        printed = counterpart(claims.pop(), blur, (4, 5, 6, 7)) if len(claims) == 1 else None
        if not reference:
            competing.append(len(lines))
        lines.append(
            (
                label(variant),
                Cell("", None) if reference else number(len(summaries), 0),
                _over_seeds([s.auc for s in summaries], 3),
                number(printed and printed.auc, 3),
                _over_seeds([100 * s.failure for s in summaries], 2),
                number(printed and printed.failure_percent, 2),
                _over_seeds([s.ssim for s in summaries], 4),
                number(printed and printed.ssim, 4),
                Cell("", None) if reference else _over_seeds([100 * s.gap.value for s in summaries], 0),
            )
        )
    table = Table(tuple(columns), tuple(lines), caption, (*notes, *not_compared(variants)))
    if any(len(summaries) > 1 for summaries in seeds.values()):
        table = table.noted("Several seeds: their mean ± standard deviation.")
    return ranked(table, 2, {2: [2, 4, 6]}, competing) if len(competing) > 1 else table


def _over_seeds(values: Sequence[float], digits: int) -> Cell:
    mean, sd = mean_sd(values)
    return number(mean, digits, note="" if sd != sd else f"± {sd:.{digits}f}")
