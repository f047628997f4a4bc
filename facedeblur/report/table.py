"""A table as data: `table_formats` and `html` write it down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MISSING = "–"
# how a note begins that explains the notes of cells
SMALL = "Small figures"


@dataclass(frozen=True)
class Column:
    """One column: its title, the heading it shares with its neighbours, and how it sorts.

    Attributes:
        numeric: right-aligned; a first click on its heading puts the best on top.
        higher: whether larger values are better (decides that first click and `ranked`).
        hint: explanation shown on hovering over the heading.
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
        marks: {column: further columns that carry the same mark}; default the column itself. The paper ranks by AUC and
            colours the whole triple.
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
