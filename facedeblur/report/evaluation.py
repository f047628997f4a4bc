"""The report of an evaluation: its tables and plots as files, and one page that holds all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facedeblur.report import html
from facedeblur.report.breakdowns import breakdown, column_parts, length_parts, strength_parts
from facedeblur.report.bundle import Report
from facedeblur.report.gallery import best_sliders, gallery
from facedeblur.report.paper_tables import comparison_table, order_table, paper_table
from facedeblur.report.plots import ced_figure, cosine_figure
from facedeblur.report.protocol import flattened, is_nested, protocol_sentence, value_text
from facedeblur.report.rows import BLURRED, ORACLE, Rows, common_protocol
from facedeblur.report.score_tables import Summaries, all_summaries, difference_table, score_table
from facedeblur.report.summary import blur_title, ordered_blurs, ordered_methods
from facedeblur.report.verdict import key_figures, remarks

# blurs in one table, as in the paper
TABLE_BLURS = 3
# rows beyond which a table is folded and gets a filter
LONG_TABLE = 12


def evaluation_report(
    rows: Rows, title: str = "Evaluation", cases: int = 2, tables: Sequence[int] = (), plots: bool = True
) -> Report:
    """Everything that score rows say, in the order a reader asks for it.

    Args:
        cases: images of each kind (best, median, worst) in each gallery; 0 leaves pictures out.
        tables: numbers of the paper's tables (5, 6, 7): ours are called after them, three blurs each, and have their
            printed rows below.
        plots: False leaves the curves out, for who draws them himself.
    """
    blurs, methods = ordered_blurs(rows), ordered_methods(rows)
    summaries = all_summaries(rows, blurs)
    candidates = [method for method in methods if method not in (BLURRED, ORACLE)]
    focus = candidates[-1] if candidates else None
    report = Report(title, subtitle=_subtitle(rows, blurs, methods))
    report.section("Summary", *remarks(rows, summaries), key_figures(rows, summaries, blurs, focus))
    if cases and focus:
        report.section("Before and after", best_sliders(rows, focus, blurs), lead=f"Blurred input and {focus}.")
    report.section("Tables", *_tables(report, rows, summaries, blurs, tables))
    if plots:
        report.section("Plots", *_plots(report, rows, blurs))
    report.section("Breakdown", *_breakdowns(report, rows))
    if cases and focus:
        lead = "Chosen by what the method gained over its input, different videos first."
        if np.isfinite(rows["landmark_error"]).any():
            lead += " White lines: the true landmarks; yellow dots: where the judge found them."
        drawn = [(blur, gallery(rows, focus, blur, cases)) for blur in blurs]
        shown = [
            html.details(blur_title(blur), content, open=i == 0) for i, (blur, content) in enumerate(drawn) if content
        ]
        report.section("Gallery", *shown, lead=lead)
    report.section("Protocol", *_protocol(rows))
    return report


def _subtitle(rows: Rows, blurs: Sequence[str], methods: Sequence[str]) -> str:
    images = len(set(rows.image_keys()))
    videos = len(set(zip(rows["corpus"].tolist(), rows["video"].tolist(), strict=True)))
    count = f"{images:,} blurred images of {videos:,} video{'s'[: videos != 1]}"
    kinds = ", ".join(map(blur_title, blurs))
    return f"{', '.join(rows.distinct('corpus'))}: {count} under {kinds}; {', '.join(methods)}"


def _batched(values: Sequence[str], size: int) -> list[Sequence[str]]:
    """Consecutive parts of `size` values, the last one shorter."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def _tables(
    report: Report, rows: Rows, summaries: Summaries, blurs: Sequence[str], tables: Sequence[int]
) -> list[html.Html]:
    corpora = ", ".join(rows.distinct("corpus"))
    content = []
    if np.isfinite(rows["landmark_error"]).any():
        for i, part in enumerate(_batched(blurs, TABLE_BLURS)):
            name, title = f"landmarks-{i + 1}", "Landmark localisation"
            if i < len(tables):
                name, title = f"table-{tables[i]}", f"Table {tables[i]}: landmark localisation"
            caption = f"{title} on {corpora}, {', '.join(map(blur_title, part))}"
            table = paper_table(rows, summaries, part, caption, tables)
            content.append(report.table(name, table.noted(protocol_sentence(common_protocol(rows.sources)[0]))))
    beside = {"published": comparison_table(rows, summaries), "order": order_table(rows, summaries)}
    content += [report.table(name, table) for name, table in beside.items() if table]
    for name, table in (
        ("scores", score_table(rows, summaries, f"All scores on {corpora}")),
        ("differences", difference_table(rows, blurs, "Paired differences")),
    ):
        if table.rows:
            long = len(table.rows) > LONG_TABLE
            written = report.table(name, table, filterable=long)
            content.append(html.details(f"{table.caption} ({len(table.rows)} rows)", written) if long else written)
    return content


def _plots(report: Report, rows: Rows, blurs: Sequence[str]) -> list[html.Html]:
    figures = []
    for blur in blurs:
        for kind, make in (("ced", ced_figure), ("cosine", cosine_figure)):
            figure = make(rows, [blur])
            if figure:
                figures.append(report.figure(f"{kind}-{blur}", figure, f"{kind} curves under {blur_title(blur)}"))
    if not figures:
        return []
    note = "Of many methods the best are drawn, with blurred and oracle; the tables have all."
    return (
        [html.columns(*figures), html.paragraph(note, "lead")]
        if len(rows.distinct("method")) > 5
        else [html.columns(*figures)]
    )


def _breakdowns(report: Report, rows: Rows) -> list[html.Html]:
    measure, name = ("auc", "AUC") if np.isfinite(rows["landmark_error"]).any() else ("cosine", "Cosine")
    ways = [
        ("length", length_parts(rows), "number of averaged frames"),
        ("strength", strength_parts(rows), "strength of the blur, quartiles of PSNR(blurred, sharp)"),
        ("category", column_parts(rows, "category"), "category of the corpus"),
        ("corpus", column_parts(rows, "corpus"), "corpus"),
    ]
    content = []
    for key, parts, what in ways:
        if len(parts) > 1:
            for m, n in ((measure, name), ("ssim", "SSIM")):
                content.append(report.table(f"{m}-by-{key}", breakdown(rows, parts, f"{n} by {what}", m)))
    return content


def _protocol(rows: Rows) -> list[html.Html]:
    same, differing = common_protocol(rows.sources)
    content = [html.paragraph(protocol_sentence(same))] if same else []
    content += _described(same)
    for source in rows.sources if differing else ():
        content.append(html.subheading(str(source.folder)))
        content += _described({key: source.protocol[key] for key in differing if key in source.protocol})
    content.append(html.facts([("evaluation", str(source.folder)) for source in rows.sources]))
    return content


def _described(protocol: dict) -> list[html.Html]:
    """A protocol's plain values in one list, its nested ones to be unfolded."""
    simple = [(key.replace("_", " "), value_text(value)) for key, value in protocol.items() if not is_nested(value)]
    nested = [
        html.details(key.replace("_", " "), html.facts(flattened(value)))
        for key, value in protocol.items()
        if is_nested(value)
    ]
    return [*([html.facts(simple)] if simple else []), *nested]
