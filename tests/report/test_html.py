from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from facedeblur.report import html
from facedeblur.report.images import data_uri
from facedeblur.report.table import Column, Table, label, number, ranked

GREY, WHITE = (np.full((32, 32, 3), value, np.uint8) for value in (120, 250))


@pytest.fixture(scope="module")
def document():
    columns = (Column("Method", numeric=False), *(Column(f"score {i}", f"group {i // 3}") for i in range(12)))
    values = {"b_with_a_rather_long_name": 2.0, "c": None, "a": -1.0, "d": 10.0, "e": float("inf")}
    rows = tuple((label(name), *(number(value, 1) for _ in range(12))) for name, value in values.items())
    table = ranked(Table(columns, rows, "Scores <of> methods"), 1)
    pair = html.slider(data_uri(GREY), data_uri(WHITE), ("blurred", "final"), "a face")
    return html.page(
        "A page",
        html.section("First & foremost", html.tiles([("AUC", "0.8", "of 1")]), html.table(table, filterable=True)),
        html.section("Second", html.figure(pair), html.facts([("key", "a" * 300)]), html.code("make " + "x" * 300)),
    )


class Balance(HTMLParser):
    """Fails where tags are not closed in the order they were opened."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag not in html.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_tags_are_balanced_and_text_is_escaped(document):
    parser = Balance()
    parser.feed(document)
    assert parser.open == []
    assert "Scores &lt;of&gt; methods" in document
    assert '<a href="#first-foremost">First &amp; foremost</a>' in document


def test_a_long_text_may_break_and_a_name_or_a_number_may_not():
    columns = (Column("Blur", numeric=False), Column("Order", numeric=False), Column("AUC"))
    order = ", ".join(["pan14_faces"] * 8)
    written = str(html.table(Table(columns, ((label("PrAvg 7"), label(order), number(0.5, 3)),))))
    cells = re.findall(r"<(t[hd])([^>]*)><span", written)
    assert ['class="long"' in attributes for _, attributes in cells] == [False, True, False]


def test_element_writes_attributes_as_html_spells_them():
    built = html.element("th", "a<b", html.element("br"), data_value='"x"', class_="c", open=True, title=None)
    assert built == '<th data-value="&quot;x&quot;" class="c" open>a&lt;b<br></th>'


def test_nothing_is_fetched(document):
    assert "http://" not in document and "https://" not in document
    with pytest.raises(ValueError, match="pages embed their images"):
        html.image("face.png", "a face")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_width_and_fetches_nothing(browser, document, width):
    found = browser(
        document,
        """{
          width: window.innerWidth,
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          scrolls: document.querySelector(".scroll").scrollWidth > document.querySelector(".scroll").clientWidth,
          fetched: window.performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length,
          pictures: [...document.images].map(image => image.naturalWidth),
          first: document.querySelector("tbody th").getBoundingClientRect().width,
        }""",
        width,
    )
    assert found["width"] == width
    assert found["overflow"] == 0, "the page itself must not scroll sideways"
    assert found["scrolls"] == (width == 390), "a wide table scrolls within itself on a phone"
    assert found["fetched"] == 0
    assert found["pictures"] == [32, 32]
    assert found["first"] < 0.45 * width, "the fixed first column leaves room for the others"


def test_the_policy_forbids_what_a_page_might_fetch(browser, document):
    forbidden = browser(
        document,
        """await new Promise(done => {
          document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
          new window.Image().src = "http://127.0.0.1:9/tracker.png";
          window.setTimeout(() => done("nothing was forbidden"), 5000);
        })""",
    )
    assert forbidden == "img-src"


def test_a_heading_sorts_filters_and_slides(browser, document):
    found = browser(
        document,
        """(() => {
          const rows = () => [...document.querySelectorAll("tbody tr")];
          const order = () => rows().map(row => row.cells[0].dataset.value[0]).join("");
          const press = index => {
            const head = document.querySelectorAll("thead tr:last-child th")[index];
            head.querySelector("button").click();
            return [order(), head.getAttribute("aria-sort")];
          };
          const sorted = [press(1), press(1), press(0)];
          const field = document.querySelector("input[type=search]");
          field.value = "Rather LONG";
          field.dispatchEvent(new window.Event("input"));
          const shown = rows().filter(row => row.offsetParent !== null).length;
          const range = document.querySelector(".slider input");
          range.value = 20;
          range.dispatchEvent(new window.Event("input"));
          const handle = document.querySelector(".handle").getBoundingClientRect();
          const frame = document.querySelector(".slider").getBoundingClientRect();
          const clip = window.getComputedStyle(document.querySelector(".before")).clipPath;
          return { sorted, shown, at: (handle.left + 1 - frame.left) / frame.width, clip };
        })()""",
    )
    assert found["sorted"] == [["edbac", "descending"], ["abdec", "ascending"], ["abcde", "ascending"]]
    assert found["shown"] == 1
    assert found["at"] == pytest.approx(0.2, abs=0.01)
    assert "80%" in found["clip"]


def test_a_page_that_refreshes_says_so():
    assert '<meta http-equiv="refresh" content="30">' in html.page("A page", refresh=30)
    assert 'http-equiv="refresh" content' not in html.page("A page")
