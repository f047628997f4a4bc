"""The report of an evaluation: its tables and plots as files, and one page that holds all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur import __version__
from facedeblur.files import write_atomic
from facedeblur.report import html
from facedeblur.report.breakdowns import breakdown, column_parts, length_parts, strength_parts
from facedeblur.report.gallery import best_sliders, gallery
from facedeblur.report.paper_tables import comparison_table, paper_table
from facedeblur.report.plots import ced_figure, cosine_figure, svg_uri, write_figure
from facedeblur.report.protocol import flattened, is_nested, protocol_sentence, value_text
from facedeblur.report.rows import BLURRED, ORACLE, Rows, common_protocol
from facedeblur.report.score_tables import Summaries, all_summaries, difference_table, score_table
from facedeblur.report.summary import blur_title, ordered_blurs, ordered_methods, paired, per_image
from facedeblur.report.table import Table, comma_separated, latex, markdown, plain

# blurs in one table, as in the paper
TABLE_BLURS = 3
# rows beyond which a table is folded and gets a filter
LONG_TABLE = 12
# keys of protocol.json that decide what a score is
DECISIVE = ("corpus", "image_size", "judges", "metrics", "schedule")


@dataclass
class Report:
    """What a report consists of: tables and figures by file name, sections of the page in order."""

    title: str
    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    sections: list[html.Html] = field(default_factory=list)
    subtitle: str = ""

    def table(self, name: str, table: Table, filterable: bool = False) -> html.Html:
        """Adds a table; returns it for the page."""
        self.tables[name] = table
        return html.table(table, filterable)

    def figure(self, name: str, figure: Any, alt: str, wide: bool = False) -> html.Html:
        """Adds a matplotlib figure; returns it for the page, where a wide one takes the whole width."""
        self.figures[name] = figure
        return html.figure(html.image(svg_uri(figure), alt), class_="plot wide" if wide else "plot")

    def section(self, title: str, *content: html.Content, lead: str | None = None, at: int | None = None) -> None:
        """Adds a section to the page, as its last or as number `at`, unless it is empty."""
        if any(content):
            self.sections.insert(len(self.sections) if at is None else at, html.section(title, *content, lead=lead))

    def text(self, name: str) -> str:
        """A table for the terminal."""
        return plain(self.tables[name])

    def write(self, folder: Path) -> Path:
        """Writes index.html, report.md, tables/*.{md,tex,csv} and plots/*.{svg,png}; returns the page's path."""
        for name, table in self.tables.items():
            write_atomic(folder / "tables" / f"{name}.md", markdown(table))
            write_atomic(folder / "tables" / f"{name}.tex", latex(table, f"tab:{name}"))
            write_atomic(folder / "tables" / f"{name}.csv", comma_separated(table))
        for name, figure in self.figures.items():
            write_figure(folder / "plots" / name, figure)
        text = [f"# {self.title}", self.subtitle, *(markdown(table) for table in self.tables.values())]
        write_atomic(folder / "report.md", "\n\n".join(filter(None, text)))
        page = html.page(self.title, *self.sections, subtitle=self.subtitle, footer=f"facedeblur {__version__}")
        html.write_page(folder / "index.html", page)
        return folder / "index.html"


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
    report.section("Summary", *_remarks(rows, summaries), _summary(rows, summaries, blurs, focus))
    if cases and focus:
        report.section("Before and after", best_sliders(rows, focus, blurs), lead=f"Blurred input and {focus}.")
    report.section("Tables", *_tables(report, rows, summaries, blurs, tables))
    if plots:
        report.section("Plots", *_plots(report, rows, blurs))
    report.section("Breakdown", *_breakdowns(report, rows, blurs))
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


def _remarks(rows: Rows, summaries: Summaries) -> list[html.Html]:
    remarks = list(rows.remarks)
    for source in rows.sources:
        if source.state and source.state != "done":
            remarks.append(f"{source.folder} is {source.state}: these are the rows it has so far.")
    differing = [key for key in common_protocol(rows.sources)[1] if key in DECISIVE]
    if differing:
        remarks.append(f"The evaluations joined here differ in {', '.join(differing)}; see Protocol.")
    for blur in dict.fromkeys(blur for _, blur in summaries):
        counts = {s.method: s.images for (_, b), s in summaries.items() if b == blur}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{method} {count}" for method, count in counts.items())
            remarks.append(f"{blur_title(blur)}: not all methods have all images ({listed}).")
    for flag, what in (("nan", "NaN"), ("error", "an error"), ("size_mismatch", "another size")):
        hit = {s.method for s in summaries.values() if s.flags.get(flag)}
        if hit:
            remarks.append(f"Some images of {', '.join(sorted(hit))} came back with {what}; they are kept as failures.")
    return [html.callout(remark, "warning") for remark in remarks]


def _summary(rows: Rows, summaries: Summaries, blurs: Sequence[str], focus: str | None) -> html.Html:
    if focus is None:
        return html.callout("Only blurred and oracle were evaluated: add a method to compare.")
    mine = [summaries[focus, blur] for blur in blurs if (focus, blur) in summaries]

    def mean(method: str, measure: str) -> float:
        values = per_image(rows.where(method=method), measure)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def beside(measure: str, digits: int, scale: float = 1) -> str:
        references = [m for m in (BLURRED, ORACLE) if np.isfinite(mean(m, measure))]
        return ", ".join(f"{m} {scale * mean(m, measure):.{digits}f}" for m in references)

    low, high, own = (mean(method, "auc") for method in (BLURRED, ORACLE, focus))
    share = 100 * (own - low) / (high - low) if high > low else float("nan")
    facts = [
        ("AUC", own, ".3f", "", beside("auc", 3)),
        ("Gap closed, in AUC", share, ".0f", " %", "0 is the blurred input, 100 the sharp face"),
        ("Failure rate", 100 * mean(focus, "failure"), ".1f", " %", beside("failure", 1, 100)),
        ("SSIM", mean(focus, "ssim"), ".4f", "", beside("ssim", 4)),
        ("Cosine to the sharp face", mean(focus, "cosine"), ".3f", "", beside("cosine", 3)),
        (
            "Time per image",
            1000 * float(np.nanmedian([s.seconds for s in mine] or [np.nan])),
            ".0f",
            " ms",
            "deblurring alone",
        ),
    ]
    tiles = [
        (name, f"{value:{form}}{unit}".replace("-", "−"), note)
        for name, value, form, unit, note in facts
        if np.isfinite(value)
    ]
    return html.join((_verdict(rows, focus, blurs), html.tiles(tiles)))


def _verdict(rows: Rows, focus: str, blurs: Sequence[str]) -> html.Html:
    """Where the method is above its input beyond chance, where below, and where the sample leaves it open."""
    sentences = []
    for measure, name in (("auc", "Landmark AUC"), ("cosine", "Cosine to the sharp face"), ("ssim", "SSIM")):
        where: dict[str, list[str]] = {"above": [], "below": [], "not surely different from": []}
        for blur in blurs:
            if {focus, BLURRED} <= set(rows.where(blur=blur).distinct("method")):
                found = paired(rows, focus, BLURRED, blur, measure)
                if not np.isnan(found.low):
                    word = "above" if found.low > 0 else "below" if found.high < 0 else "not surely different from"
                    where[word].append(blur_title(blur))
        parts = [f"{word} the input under {_listed(names, len(blurs))}" for word, names in where.items() if names]
        if parts:
            sentences.append(f"{name}: {'; '.join(parts)}.")
    if not sentences:
        return html.paragraph(f"{focus}: too few videos or people to say whether it differs from its input.", "lead")
    return html.join(
        (
            html.paragraph(f"{focus} against its blurred input, by 95 % paired bootstrap intervals:"),
            html.bullets(sentences, "verdict"),
        )
    )


def _listed(names: Sequence[str], of: int) -> str:
    return f"all {of} blurs" if 1 < of == len(names) else ", ".join(names)


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
    published = comparison_table(summaries)
    if published:
        content.append(report.table("published", published))
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


def _breakdowns(report: Report, rows: Rows, blurs: Sequence[str]) -> list[html.Html]:
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
                table = breakdown(rows, parts, f"{n} by {what}", m)
                content.append(report.table(f"{m}-by-{key}", table))
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
