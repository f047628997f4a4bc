from __future__ import annotations

import csv

import pytest

from facedeblur.cli import main


@pytest.fixture(scope="module")
def reported(evaluation, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert main(["report", str(evaluation), "--out", str(out), "--title", "My methods"]) == 0
    return out


def test_tables_come_in_three_formats_with_the_same_figures(reported):
    for name in ("landmarks-1", "scores", "differences", "published", "auc-by-length", "ssim-by-category"):
        assert {path.suffix for path in (reported / "tables").glob(f"{name}.*")} == {".md", ".tex", ".csv"}
    lines = list(csv.DictReader((reported / "tables" / "scores.csv").open()))
    final = next(line for line in lines if (line["Method"], line["Blur"]) == ("final", "VLA"))
    auc = f"{float(final['AUC']):.3f}"
    for kind in ("md", "tex"):
        assert auc in (reported / "tables" / f"scores.{kind}").read_text()
    assert auc in (reported / "index.html").read_text() and auc in (reported / "report.md").read_text()
    assert float(final["Gap closed (%)"]) > 50


def test_latex_needs_no_fonts_beyond_the_usual(reported):
    for path in (reported / "tables").glob("*.tex"):
        assert path.read_text().isascii(), path.name


def test_plots_come_as_svg_and_png(reported):
    names = {path.name for path in (reported / "plots").iterdir()}
    assert names == {
        f"{kind}-{blur}.{end}" for kind in ("ced", "cosine") for blur in ("pravg7", "vla") for end in ("svg", "png")
    }


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(browser, reported, width):
    found = browser(
        (reported / "index.html").read_text(),
        """(() => {
          document.querySelectorAll("details").forEach(part => { part.open = true; });
          return {
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            broken: [...document.images].filter(image => !image.naturalWidth).length,
            pictures: document.images.length,
            sections: [...document.querySelectorAll("h2")].map(title => title.textContent),
            links: [...document.querySelectorAll("nav a")].every(link => document.querySelector(link.hash)),
            fetched: window.performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length,
          };
        })()""",
        width,
    )
    assert found["overflow"] == 0 and found["broken"] == 0 and found["fetched"] == 0
    assert found["sections"] == ["Summary", "Before and after", "Tables", "Plots", "Breakdown", "Gallery", "Protocol"]
    assert found["links"] and found["pictures"] > 40


def test_the_summary_says_what_the_intervals_support(reported):
    page = (reported / "index.html").read_text()
    assert "final against its blurred input" in page
    assert "Landmark AUC: above the input under both blurs." in page
    assert "5 people" in page


def test_an_unfinished_evaluation_is_reported_as_such(make_evaluation, tmp_path, capsys):
    folder = make_evaluation(tmp_path / "e", images=False, state="running")
    assert main(["report", str(folder)]) == 0
    page = (folder / "report" / "index.html").read_text()
    assert "is running: these are the rows it has so far" in page
    assert "3 windows of" in page and "could not be read" in page
    assert "Gallery" not in page
    assert "PrAvg 7" in capsys.readouterr().out


def test_rows_without_truth_or_method_still_make_a_page(make_evaluation, tmp_path):
    folder = make_evaluation(tmp_path / "e", {}, landmarks=False, images=False, people=1)
    assert main(["report", str(folder)]) == 0
    page = (folder / "report" / "index.html").read_text()
    assert "Only blurred and oracle were evaluated" in page


def test_methods_with_fewer_images_are_named(make_evaluation, tmp_path):
    make_evaluation(tmp_path / "a", {"final": 0.6}, images=False)
    make_evaluation(tmp_path / "b", {"late": 0.6}, images=False, people=3)
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "r")]) == 0
    assert "not all methods have all images" in (tmp_path / "r" / "index.html").read_text()


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_what_cannot_be_reported_is_one_line(tmp_path, capsys, what):
    folder = tmp_path / "x"
    if what == "empty":
        folder.mkdir()
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(folder) in error and "facedeblur evaluate" in error
