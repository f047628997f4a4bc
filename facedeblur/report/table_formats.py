"""A table as Markdown, as plain text, as LaTeX and as CSV; `html` has the sortable one."""

from __future__ import annotations

import csv
import io

from facedeblur.report.table import SMALL, Cell, Table

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
