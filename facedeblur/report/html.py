"""The base of every page: one self-contained HTML file with sortable tables, embedded images and before/after sliders.

Pages are built from small functions that return `Html`; any other text is escaped on its way in. A page fetches
nothing: style, script and pictures are inside it, and its content security policy forbids the rest.
"""

from __future__ import annotations

import html as standard
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

from facedeblur.report.table import Cell, Column, Table

VOID = {"img", "input", "meta", "br", "hr", "wbr"}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
LONG_TEXT = 40  # characters, from which on a cell may break its lines


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


Content = str | int | float | None


def escape(content: Content) -> Html:
    """Text as markup; `Html` passes through, None is empty."""
    if isinstance(content, Html):
        return content
    return Html("" if content is None else standard.escape(str(content)))


def join(contents: Iterable[Content]) -> Html:
    """One piece of markup after the other."""
    return Html("".join(escape(content) for content in contents))


def element(tag: str, *children: Content, **attributes: Content | bool) -> Html:
    """<tag attributes>children</tag>. `class_` is class, `data_x` is data-x; False and None are left out."""
    written = []
    for name, value in attributes.items():
        if value is False or value is None:
            continue
        name = name.rstrip("_").replace("_", "-")
        written.append(f" {name}" if value is True else f' {name}="{standard.escape(str(value))}"')
    opening = f"<{tag}{''.join(written)}>"
    return Html(opening if tag in VOID else f"{opening}{join(children)}</{tag}>")


def slug(title: str) -> str:
    """An anchor made from a title: "Table 5 (a)" -> "table-5-a"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def section(title: str, *children: Content, lead: Content = None) -> Html:
    """A chapter of the page, with an optional introduction; `page` lists it in the contents."""
    heading = element("h2", title)
    return element("section", heading, paragraph(lead, "lead") if lead else None, *children, id=slug(title))


def paragraph(content: Content, class_: str | None = None) -> Html:
    """A paragraph of text."""
    return element("p", content, class_=class_)


def subheading(title: str) -> Html:
    """A heading within a section."""
    return element("h3", title)


def bullets(items: Iterable[Content], class_: str | None = None) -> Html:
    """A list of sentences."""
    return element("ul", *(element("li", item) for item in items), class_=class_)


def tiles(facts: Sequence[tuple[Content, Content, Content]]) -> Html:
    """A row of large figures: (label, figure, small print) each."""
    return element(
        "div",
        *(
            element(
                "div",
                element("div", title, class_="label"),
                element("div", value, class_="figure"),
                element("div", note, class_="small"),
                class_="tile",
            )
            for title, value, note in facts
        ),
        class_="tiles",
    )


def facts(pairs: Iterable[tuple[Content, Content]]) -> Html:
    """A list of terms and what they are: the protocol, a configuration."""
    return element("dl", *(join((element("dt", term), element("dd", value))) for term, value in pairs), class_="facts")


def callout(content: Content, kind: str = "note") -> Html:
    """A remark that stands out; `kind` is note, warning or failure."""
    return element("div", content, class_=f"callout {kind}", role="note")


def details(summary: Content, *children: Content, open: bool = False) -> Html:
    """A part that unfolds on a click."""
    return element("details", element("summary", summary), *children, open=open)


def code(text: str) -> Html:
    """Preformatted text: a command, a traceback, LaTeX source."""
    return element("pre", element("code", text))


def badge(text: str, kind: str = "") -> Html:
    """A small label, as for the status of a job; `kind` is good, bad, busy or empty."""
    return element("span", text, class_=f"badge {kind}".strip())


def columns(*children: Content, narrow: bool = False) -> Html:
    """Children side by side as the width allows, below each other on a phone."""
    return element("div", *children, class_="columns narrow" if narrow else "columns")


def image(source: str, alt: str, title: str | None = None, class_: str | None = None) -> Html:
    """A picture from a data URI (see `images.data_uri`)."""
    if not source.startswith("data:"):
        raise ValueError(f"{source[:60]}: pages embed their images; pass images.data_uri(...)")
    return element("img", src=source, alt=alt, title=title, class_=class_, decoding="async")


def figure(content: Content, caption: Content = None, class_: str | None = None) -> Html:
    """A picture or slider with its caption; a "plot" (`class_`) grows with its column."""
    caption = element("figcaption", caption) if caption else None
    return element("figure", content, caption, class_=class_)


def slider(before: str, after: str, names: tuple[str, str], alt: str, class_: str | None = None) -> Html:
    """Two pictures on top of each other with a divider to drag (mouse, touch or arrow keys).

    Args:
        before, after: data URIs of equal size; `before` is seen left of the divider.
        names: what the two are called.
        alt: what both show.
    """
    return element(
        "div",
        image(after, f"{alt}: {names[1]}"),
        image(before, f"{alt}: {names[0]}", class_="before"),
        element("span", names[0], class_="tag left"),
        element("span", names[1], class_="tag right"),
        element("div", class_="handle"),
        element("input", type="range", min=0, max=100, value=50, step="any", aria_label=f"{names[0]} or {names[1]}"),
        class_=f"slider {class_ or ''}".strip(),
    )


def table(data: Table, filterable: bool = False, id: str | None = None) -> Html:
    """A table whose headings sort it; it scrolls sideways within itself where the page is too narrow.

    Args:
        filterable: puts a field above it that hides the rows without the typed words.
    """
    rows = [element("tr", *(_head(column) for column in data.columns))]
    if data.grouped:
        spans = (
            element("th", title, colspan=span, scope="colgroup" if title else None) for title, span in data.groups()
        )
        rows.insert(0, element("tr", *spans, class_="groups"))
    body = [
        element(
            "tr", *(_cell(cell, column, i == 0) for i, (cell, column) in enumerate(zip(row, data.columns, strict=True)))
        )
        for row in data.rows
    ]
    grid = element("table", element("thead", *rows), element("tbody", *body), class_="sortable")
    return element(
        "div",
        paragraph(data.caption, "caption") if data.caption else None,
        element("input", type="search", placeholder="filter rows", aria_label="filter rows") if filterable else None,
        element("div", grid, class_="scroll", tabindex=0, role="region", aria_label=data.caption or "table"),
        bullets(data.notes, "notes") if data.notes else None,
        class_="tabled",
        id=id,
    )


def page(title: str, *sections: Content, subtitle: Content = None, footer: Content = None, refresh: int = 0) -> str:
    """The whole document. The contents are drawn from the sections' ids and headings.

    Args:
        refresh: seconds after which the page loads itself again, keeping its place; 0 never.
    """
    body = join(sections)
    contents = re.findall(r'<section id="([^"]+)"><h2>(.*?)</h2>', body)
    links = element("nav", *(element("a", Html(name), href=f"#{anchor}") for anchor, name in contents))
    heading = element("header", element("h1", title), element("div", subtitle, class_="subtitle") if subtitle else None)
    head = join(
        (
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", **{"http-equiv": "Content-Security-Policy"}, content=POLICY),
            element("meta", **{"http-equiv": "refresh"}, content=refresh) if refresh else None,
            element("title", title),
            element("style", Html(static("page.css"))),
        )
    )
    script = element("script", Html(static("page.js")))
    ending = element("footer", footer) if footer else None
    main = element("main", heading, body, ending)
    content = element("body", links if contents else None, main, script)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{content}</html>\n'


def static(name: str) -> str:
    """The text of a style or script in `static/`."""
    return (files("facedeblur.report") / "static" / name).read_text(encoding="utf-8")


def _head(column: Column) -> Html:
    button = element("button", column.title, type="button", title=column.hint or None)
    first = "descending" if column.numeric and column.higher else "ascending"
    return element("th", button, scope="col", class_="number" if column.numeric else None, data_first=first)


def _cell(cell: Cell, column: Column, leading: bool) -> Html:
    rank = element("sup", str(cell.rank), class_="rank", title=f"rank {cell.rank}") if cell.rank else None
    # a narrow screen may break names behind their underscores
    text = Html(escape(cell.text).replace("_", "_<wbr>"))
    content = (element("span", text, class_="value"), rank, element("small", cell.note) if cell.note else None)
    kind = "number" if column.numeric else "long" if len(cell.text) > LONG_TEXT else ""
    classes = " ".join(filter(None, [kind, f"rank{cell.rank}" if cell.rank else ""]))
    value = "" if cell.value is None else cell.value
    if leading:
        return element("th", *content, scope="row", class_=classes or None, data_value=value)
    return element("td", *content, class_=classes or None, data_value=value)
