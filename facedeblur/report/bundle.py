"""A report as what it consists of: tables, figures and sections, written as one page and as files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facedeblur import __version__
from facedeblur.files import write_atomic
from facedeblur.report import html
from facedeblur.report.plots import svg_uri, write_figure
from facedeblur.report.table import Table
from facedeblur.report.table_formats import comma_separated, latex, markdown, plain


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
        write_atomic(folder / "index.html", page)
        return folder / "index.html"
