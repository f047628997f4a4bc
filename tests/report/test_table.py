from __future__ import annotations

import csv
import io

import pytest

from facedeblur.report.table import Column, Table, label, number, ranked
from facedeblur.report.table_formats import comma_separated, latex, markdown

COLUMNS = (
    Column("Method", numeric=False),
    Column("AUC", "PrAvg 7"),
    Column("Failure rate (%)", "PrAvg 7", higher=False),
    Column("SSIM", "PrAvg 7"),
)


@pytest.fixture
def scores():
    rows = [
        ("final", 0.7982, 3.947, 0.945),
        ("no_identity", 0.7835, 5.962, 0.929),
        ("a|b & c", 0.7984, 8.8, None),
        ("last", 0.7, 1.0, 0.9),
        ("oracle", 0.827, 1.816, None),
    ]
    cells = [(label(name), number(auc, 3), number(fr, 2), number(ssim, 4)) for name, auc, fr, ssim in rows]
    return Table(COLUMNS, tuple(cells), "Table 5 | landmarks", ("images 17,125",))


def test_ranks_go_by_one_column_among_the_competing_rows_and_what_prints_alike_shares_its_rank(scores):
    marked = ranked(scores, 1, {1: [1, 2, 3]}, rows=[0, 1, 2, 3])
    assert [row[1].rank for row in marked.rows] == [1, 3, 1, 0, 0]
    assert [row[2].rank for row in marked.rows] == [1, 3, 1, 0, 0]
    # a missing value carries no mark
    assert [row[3].rank for row in marked.rows] == [1, 3, 0, 0, 0]


def test_lower_is_better_where_the_column_says_so(scores):
    assert [row[2].rank for row in ranked(scores, 2).rows] == [3, 0, 0, 1, 2]


def test_markdown_has_one_line_a_row_and_escapes_pipes(scores):
    lines = markdown(ranked(scores, 1)).splitlines()
    assert lines[0] == "**Table 5 \\| landmarks**"
    assert lines[2] == "| Method | PrAvg 7 AUC | PrAvg 7 Failure rate (%) | PrAvg 7 SSIM |"
    assert lines[3] == "|---|---:|---:|---:|"
    assert lines[4] == "| final | 0.798 ② | 3.95 | 0.9450 |"
    assert lines[6] == "| a\\|b & c | 0.798 ② | 8.80 | – |"
    assert lines[8] == "| oracle | **0.827** ① | 1.82 | – |"
    assert lines[-1] == "- images 17,125"


def test_latex_escapes_and_spans_the_groups(scores):
    text = latex(ranked(scores, 1), "tab:five")
    assert r"\multicolumn{1}{c}{} & \multicolumn{3}{c}{PrAvg 7} \\" in text
    assert r"\cmidrule(lr){2-4}" in text
    assert r"no\_identity & 0.783 & 5.96 & 0.9290 \\" in text
    assert r"oracle & \textbf{0.827} & 1.82 & -- \\" in text
    assert r"a|b \& c & \underline{0.798} & 8.80" in text
    assert text.count(r"\begin") == text.count(r"\end") and r"\label{tab:five}" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.count(" & ") for line in body} == {3}


def test_csv_keeps_full_precision_and_gives_notes_their_own_column():
    table = Table((Column("a, b", numeric=False), Column("AUC")), ((label("x"), number(1 / 3, 3, note="0.2 – 0.4")),))
    rows = list(csv.reader(io.StringIO(comma_separated(table))))
    assert rows[0] == ["a, b", "AUC", "AUC (note)"]
    assert float(rows[1][1]) == 1 / 3 and rows[1][2] == "0.2 – 0.4"


def test_numbers_print_as_a_typesetter_would():
    assert [number(v, 2, signed=True).text for v in (-0.5, 0.25, float("nan"), None)] == ["−0.50", "+0.25", "–", "–"]
    assert number(float("inf")).text == "∞"
    assert number(-1e-9, 2).text == "0.00" and number(-1e-9, 2, signed=True).text == "+0.00"


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 4 columns"):
        Table(COLUMNS, ((label("x"),),))
