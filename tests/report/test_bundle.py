"""A report as one page and as files."""

from __future__ import annotations

import csv

import matplotlib.pyplot as plt

from facedeblur.report.bundle import Report
from facedeblur.report.html import paragraph
from facedeblur.report.table import Column, Table, label, number


def test_everything_added_is_on_the_page_and_in_a_file_of_its_own(tmp_path):
    report = Report("Title & co", subtitle="of two rows")
    table = Table((Column("Method", numeric=False), Column("AUC")), ((label("ours"), number(0.71234)),), "caption")
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    report.section("Scores", report.table("scores", table), report.figure("curve", figure, "a line"))
    report.section("First", paragraph("lead"), at=0)
    report.section("Empty", "")
    plt.close(figure)
    page = report.write(tmp_path).read_text()
    assert page.index("First") < page.index("Scores") and "Empty" not in page and "Title &amp; co" in page
    assert "0.712" in page and 'alt="a line"' in page
    assert "ours" in report.text("scores") and "0.712" in report.text("scores")
    assert list(csv.reader((tmp_path / "tables/scores.csv").open()))[1] == ["ours", "0.71234"]
    assert r"\label{tab:scores}" in (tmp_path / "tables/scores.tex").read_text()
    assert "# Title & co" in (tmp_path / "report.md").read_text()
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {"curve.svg", "curve.png"}
