"""The paper's own tables from score rows: tables 4-7, and our figures beside the printed ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from facedeblur.report.published import Published, counterpart, paper_variant, printed
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.score_tables import Summaries, interval_note, scored
from facedeblur.report.summary import Summary, blur_title, ordered_methods
from facedeblur.report.table import Cell, Column, Table, label, number, ranked

RANKING = "Ranks go by AUC among the deblurring methods, blurred and oracle apart."


def paper_table(
    rows: Rows, summaries: Summaries, blurs: Sequence[str], caption: str, tables: Sequence[int] = ()
) -> Table:
    """The columns of tables 4-7: AUC, failure rate and SSIM under each blur, methods below each other.

    Args:
        tables: numbers of the paper's tables whose printed rows follow ours.
    """
    columns = [Column("Method", numeric=False)]
    for blur in blurs:
        group = blur_title(blur)
        columns += [
            Column("AUC", group, hint="area under the CED up to an error of 0.08"),
            Column("Failure rate (%)", group, higher=False, hint="images with an error above 0.08, or no face found"),
            Column("SSIM", group, hint="mean structural similarity of the luminance"),
        ]
    lines: list[tuple[Cell, ...]] = []
    competing: list[int] = []
    for method in ordered_methods(rows):
        cells = [label(method)]
        for blur in blurs:
            cells += _triple(summaries.get((method, blur)))
        if method not in (BLURRED, ORACLE):
            competing.append(len(lines))
        lines.append(tuple(cells))
    lines += printed_lines(blurs, tables, lambda row: (row.auc, row.failure_percent, row.ssim), (3, 2, 4))
    notes = [
        "Images: " + ", ".join(f"{blur_title(blur)} {_count(summaries, blur):,}" for blur in blurs) + ".",
        interval_note(rows),
    ]
    if len(lines) > len(ordered_methods(rows)):
        notes.append("Rows called printed are the paper's, on 300VW with its own localiser: another protocol.")
    table = Table(tuple(columns), tuple(lines), caption, tuple(notes))
    if len(competing) < 2:
        return table
    for i in range(len(blurs)):
        first = 1 + 3 * i
        table = ranked(table, first, {first: [first, first + 1, first + 2]}, competing)
    return Table(table.columns, table.rows, caption, (*notes, RANKING))


def comparison_table(rows: Rows, summaries: Summaries, tables: Sequence[int] = (5, 6, 7, 4)) -> Table | None:
    """Our figures with the printed ones beside them, for methods and blurs the paper has; None where it has none.

    A method that only bears a name of the paper's is left out, and a note says why.
    """
    columns = [Column(name, numeric=False) for name in ("Method", "Blur", "Printed as")]
    for name in ("AUC", "Failure rate (%)", "SSIM"):
        columns += [Column(title, name, higher=name != "Failure rate (%)") for title in ("ours", "printed")]
    columns += [Column(title, "Gap closed (%)") for title in ("ours", "printed")]
    lines = []
    blurs = list(dict.fromkeys(blur for _, blur in summaries))
    variants = {method: paper_variant(method, rows.method_sources(method)) for method, _ in summaries}
    for (method, blur), s in sorted(summaries.items(), key=lambda item: blurs.index(item[0][1])):
        row = counterpart(variants[method][0], blur, tables)
        if row is None:
            continue
        lines.append(
            (
                label(method),
                label(blur_title(blur)),
                label(f"{row.method}, table {row.table}"),
                number(s.auc, 3),
                number(row.auc, 3),
                number(100 * s.failure, 2),
                number(row.failure_percent, 2),
                number(s.ssim, 4),
                number(row.ssim, 4),
                Cell("", None) if method in (BLURRED, ORACLE) else number(100 * s.gap.value, 0),
                Cell("", None) if method in (BLURRED, ORACLE) else number(printed_gap(row), 0),
            )
        )
    if not lines:
        return None
    notes = [
        "The printed figures come from 300VW at 256 px with the localiser of Yang et al. (2017): compare the order of "
        "the rows and the share of the gap closed, not the figures.",
        "Tables 4 and 5 print different SSIM for the full method under PrAvg 7, 0.93501 and 0.94501.",
        *not_compared(variants),
    ]
    return Table(tuple(columns), tuple(lines), "Beside the published figures", tuple(notes))


def order_table(rows: Rows, summaries: Summaries, tables: Sequence[int] = (5, 6, 7)) -> Table | None:
    """How far our order of the methods is the paper's, for each blur and measure; None where fewer than three compare.

    Spearman's correlation of the ranks, over the methods that both have, the oracle apart.
    """
    columns = [Column("Blur", numeric=False), Column("Methods")]
    columns += [Column(title, "Rank correlation") for title in ("AUC", "Failure rate", "SSIM")]
    columns += [Column(title, "Order by AUC, best first", numeric=False) for title in ("ours", "printed")]
    variants = {method: paper_variant(method, rows.method_sources(method))[0] for method, _ in summaries}
    lines = []
    for blur in dict.fromkeys(blur for _, blur in summaries):
        both = [
            (method, s, row)
            for (method, b), s in summaries.items()
            if b == blur and method != ORACLE and (row := counterpart(variants[method], blur, tables)) is not None
        ]
        if len(both) < 3:
            continue
        correlations = [
            _rank_correlation([measure(s) for _, s, _ in both], [measure(row) for _, _, row in both])
            for measure in (lambda x: x.auc, lambda x: x.failure, lambda x: x.ssim)
        ]
        orders = [sorted(both, key=lambda item, i=i: -(item[i].auc or 0)) for i in (1, 2)]
        names = [label(", ".join(method for method, _, _ in order)) for order in orders]
        lines.append((label(blur_title(blur)), number(len(both), 0), *(number(c, 2) for c in correlations), *names))
    if not lines:
        return None
    notes = ["1: the same order; 0: none in common; -1: the opposite. A value of few methods says little."]
    return Table(tuple(columns), tuple(lines), "The order of the methods beside the paper's", tuple(notes))


def _rank_correlation(ours: Sequence[float | None], printed: Sequence[float | None]) -> float | None:
    """Spearman's, over what both have; None where that is less than three, or all alike."""
    from scipy.stats import spearmanr

    pairs = [(a, b) for a, b in zip(ours, printed, strict=True) if a is not None and b is not None and a == a]
    if len(pairs) < 3 or any(len(set(values)) < 2 for values in zip(*pairs, strict=True)):
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def not_compared(variants: Mapping[str, tuple[str, str]]) -> list[str]:
    """Notes on methods (method -> `paper_variant`) whose names promise more than they keep."""
    return [f"{method} is not beside the printed figures: {why}." for method, (_, why) in variants.items() if why]


def printed_gap(row: Published) -> float | None:
    """Share in percent of the printed gap between blurred and oracle that a printed row closes."""
    references = {r.ours: r.auc for r in printed((5, 6, 7), row.blur)}
    low, high = references.get(BLURRED), references.get(ORACLE)
    return None if None in (low, high, row.auc) else 100 * (row.auc - low) / (high - low)


def _triple(s: Summary | None) -> list[Cell]:
    if s is None:
        return [number(None)] * 3
    return [
        scored(s.auc, s.intervals["auc"], 3),
        scored(s.failure, s.intervals["failure"], 2, 100, interval_digits=1),
        scored(s.ssim, s.intervals["ssim"], 4, interval_digits=3) if s.method != ORACLE else number(s.ssim, 4),
    ]


def printed_lines(
    blurs: Sequence[str],
    tables: Sequence[int],
    figures: Callable[[Published], Sequence[float | None]],
    digits: Sequence[int],
) -> list[tuple[Cell, ...]]:
    """The rows of the paper's `tables`, method by method: under each blur its `figures`, to so many `digits`."""
    rows = {(row.method, blur): row for blur in blurs for row in printed(tables, blur)}
    lines = []
    for method in dict.fromkeys(method for method, _ in rows):
        cells = [label(f"{method}, printed")]
        for row in (rows.get((method, blur)) for blur in blurs):
            cells += map(number, figures(row) if row else [None] * len(digits), digits)
        lines.append(tuple(cells))
    return lines


def _count(summaries: Summaries, blur: str) -> int:
    return max((s.images for (_, b), s in summaries.items() if b == blur), default=0)
