"""A table as data: one model that becomes Markdown, LaTeX, CSV and (in `html`) a sortable HTML table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# how the first, second and third of a column are marked, in each format
CIRCLED = {1: "①", 2: "②", 3: "③"}
LATEX_MARK = {1: r"\textbf{%s}", 2: r"\underline{%s}", 3: r"\textit{%s}"}
LATEX_ESCAPES = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "λ": r"$\lambda$",
    "Δ": r"$\Delta$",
    "…": r"\ldots{}",
    "<": "$<$",
    ">": "$>$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
MISSING = "–"
# how a note begins that explains the notes of cells
SMALL = "Small figures"


@dataclass(frozen=True)
class Column:
    """One column: its title, the heading it shares with its neighbours, and how it sorts.

    numeric     right-aligned; a first click on its heading puts the best on top
    higher      whether larger values are better (decides that first click and `ranked`)
    hint        explanation shown on hovering over the heading
    """

    title: str
    group: str = ""
    numeric: bool = True
    higher: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """What is printed (`text`), what it stands for (`value`: sorts, fills the CSV), a rank (1-3) and a small `note`."""

    text: str
    value: float | str | None = None
    rank: int = 0
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Columns, rows of as many cells, a caption, and notes that go below.

    Raises:
        ValueError: a row has not one cell a column.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row[:1]}")

    def groups(self) -> list[tuple[str, int]]:
        """The upper heading: (title, columns it spans), from left to right."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans

    def noted(self, *notes: str) -> Table:
        """The table with further notes."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))

    def filled(self) -> Table:
        """The table without the numeric columns that have no value in any row."""
        kept = [
            i
            for i, column in enumerate(self.columns)
            if not column.numeric or any(row[i].value is not None for row in self.rows)
        ]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=rows)

    @property
    def grouped(self) -> bool:
        """Whether there is an upper heading."""
        return any(column.group for column in self.columns)


def label(text: str, note: str = "") -> Cell:
    """A cell of text."""
    return Cell(text, text, note=note)


def number(value: float | None, digits: int = 3, note: str = "", signed: bool = False) -> Cell:
    """A cell of a number to `digits` decimals; None and NaN become a dash that sorts last."""
    if value is None or math.isnan(value):
        return Cell(MISSING, None, note=note)
    if math.isinf(value):
        return Cell("∞" if value > 0 else "−∞", value, note=note)
    rounded = round(value, digits) + 0.0  # no minus before a zero
    text = f"{rounded:+.{digits}f}" if signed else f"{rounded:.{digits}f}"
    return Cell(text.replace("-", "−"), value, note=note)


def ranked(
    table: Table, column: int, marks: Mapping[int, Sequence[int]] | None = None, rows: Sequence[int] = ()
) -> Table:
    """Marks the first, second and third of a column, among `rows` (default all), equal values sharing a rank.

    Args:
        column: index of the column whose values decide.
        marks: {column: further columns that carry the same mark}; default the column alone. The paper ranks by AUC
            and colours the whole triple.
        rows: indices of the rows that compete; published and oracle rows usually do not.
    """
    competing = [i for i in (rows or range(len(table.rows))) if isinstance(table.rows[i][column].value, (int, float))]
    # values that print alike are alike
    shown = {i: float(table.rows[i][column].value) for i in competing}
    texts = {i: table.rows[i][column].text for i in competing}
    order = sorted(competing, key=lambda i: shown[i], reverse=table.columns[column].higher)
    ranks: dict[int, int] = {}
    for position, i in enumerate(order):
        tied = position and texts[order[position - 1]] == texts[i]
        ranks[i] = ranks[order[position - 1]] if tied else position + 1
    marked = (marks or {}).get(column, [column])
    return replace(
        table,
        rows=tuple(
            tuple(
                replace(cell, rank=ranks[i])
                if c in marked and ranks.get(i, 9) <= 3 and cell.value is not None
                else cell
                for c, cell in enumerate(row)
            )
            for i, row in enumerate(table.rows)
        ),
    )


def markdown(table: Table) -> str:
    """GitHub's Markdown; the group of a column is written before its title, ranks as ①②③, notes as a list below."""
    titles = [f"{column.group} {column.title}".strip() for column in table.columns]
    lines = [f"**{_pipe(table.caption)}**", ""] if table.caption else []
    lines.append("| " + " | ".join(map(_pipe, titles)) + " |")
    lines.append("|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|")
    for row in table.rows:
        lines.append("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |")
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def plain(table: Table) -> str:
    """Aligned text for a terminal: caption, values with their rank, notes; without the small figures of cells."""
    titles = [column.title for column in table.columns]
    body = [[cell.text + (f" {CIRCLED[cell.rank]}" if cell.rank else "") for cell in row] for row in table.rows]
    groups = [column.group for column in table.columns]
    heads = [titles]
    if table.grouped:
        heads.insert(0, [g if i == 0 or groups[i - 1] != g else "" for i, g in enumerate(groups)])
    widths = [max(len(line[i]) for line in [*heads, *body]) for i in range(len(titles))]
    lines = [table.caption] if table.caption else []
    for line in [*heads, *body]:
        cells = zip(line, widths, table.columns, strict=True)
        lines.append("  ".join(t.rjust(w) if column.numeric else t.ljust(w) for t, w, column in cells).rstrip())
    notes = [f"  {note}" for note in table.notes if not note.startswith(SMALL)]
    return "\n".join([*lines, *notes]) + "\n"


def latex(table: Table, label: str = "") -> str:
    """A booktabs table environment; first bold, second underlined, third italic."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{align}}}", r"\toprule"]
    if table.grouped:
        lines.append(" & ".join(_latex_span(title, span) for title, span in table.groups()) + r" \\")
        lines.append(_latex_rules(table))
    lines.append(" & ".join(_tex(column.title) for column in table.columns) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    caption = " ".join([table.caption, *table.notes]).strip()
    if caption:
        lines.append(rf"\caption{{{_tex(caption)}}}")
    if label:
        lines.append(rf"\label{{{label}}}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def comma_separated(table: Table) -> str:
    """CSV of the values in full precision (empty where missing), with notes such as intervals in their own columns."""
    noted = [any(row[c].note for row in table.rows) for c in range(len(table.columns))]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header: list[str] = []
    for column, extra in zip(table.columns, noted, strict=True):
        title = f"{column.group} {column.title}".strip()
        header += [title, f"{title} (note)"] if extra else [title]
    writer.writerow(header)
    for row in table.rows:
        line: list[object] = []
        for cell, extra in zip(row, noted, strict=True):
            line.append("" if cell.value is None else cell.value)
            line += [cell.note] if extra else []
        writer.writerow(line)
    return file.getvalue()


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _markdown_cell(cell: Cell) -> str:
    text = _pipe(cell.text)
    if cell.rank:
        text = f"**{text}** {CIRCLED[1]}" if cell.rank == 1 else f"{text} {CIRCLED[cell.rank]}"
    return f"{text} {_pipe(cell.note)}" if cell.note else text


def _tex(text: str) -> str:
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)


def _latex_cell(cell: Cell) -> str:
    text = LATEX_MARK[cell.rank] % _tex(cell.text) if cell.rank else _tex(cell.text)
    return rf"{text} {{\scriptsize {_tex(cell.note)}}}" if cell.note else text


def _latex_span(title: str, span: int) -> str:
    return rf"\multicolumn{{{span}}}{{c}}{{{_tex(title)}}}"


def _latex_rules(table: Table) -> str:
    rules, first = [], 1
    for title, span in table.groups():
        if title:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    return " ".join(rules)
