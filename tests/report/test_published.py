from __future__ import annotations

import re

import pytest

from facedeblur.baselines.names import CLASSICAL, LEARNED
from facedeblur.report.paper_tables import comparison_table, order_table, paper_table, printed_gap
from facedeblur.report.published import COMPARED, counterpart, named_variant, paper_variant, printed, published
from facedeblur.report.rows import read_rows
from facedeblur.report.score_tables import all_summaries
from facedeblur.report.table_formats import latex
from facedeblur.report.variants import variant_table


def test_every_printed_row_is_there():
    counts = {table: len([row for row in published() if row.table == table]) for table in range(4, 9)}
    # 13 methods in tables 5 to 8, three blurs in 5 and 6, one in 7, two in 8; four variants in 4
    assert counts == {4: 4, 5: 39, 6: 39, 7: 13, 8: 26}


@pytest.mark.parametrize(
    ("method", "blur", "tables", "auc", "failure", "ssim"),
    [
        ("final", "pravg7", (5, 6, 7), 0.798, 0.03947, 0.94501),
        ("final", "pravg7", (4,), 0.798, 0.03947, 0.93501),
        ("final", "vla", (5, 6, 7), 0.786, 0.03118, 0.9075),
        ("blurred", "trajectory", (5, 6, 7), 0.697, 0.04656, 0.85225),
        ("oracle", "pravg21", (5, 6, 7), 0.833, 0.01411, None),
        ("identity_nohg_only2mf2", "pravg7", (4,), 0.751, 0.088, 0.92031),
    ],
)
def test_figures_as_printed(method, blur, tables, auc, failure, ssim):
    row = counterpart(method, blur, tables)
    assert (row.auc, row.ssim) == (auc, ssim) and row.failure == pytest.approx(failure)


def test_verification_as_printed():
    rows = {row.method: row for row in printed((8,), "pravg11")}
    assert (rows["ours"].accuracy, rows["ours"].std) == (0.8212, 0.0087)
    assert rows["gt"].ours == "oracle"


NAMES = {
    "final": "final",
    "final-s12": "final",
    "final (a)": "final",
    "identity_nohg_only2mf2-s0": "identity_nohg_only2mf2",
    **dict.fromkeys(
        ["blurred", "oracle (a)", "final-small-v1", "no_identity-small-v1", "final-s", "finalist", "nafnet", "ours"], ""
    ),
}


@pytest.mark.parametrize(("method", "variant"), NAMES.items())
def test_what_a_name_claims(method, variant):
    assert named_variant(method) == variant
    assert counterpart(named_variant("nafnet"), "vla") is None


PAPERS = {"generator": "table3", "global_residual": False}
RUN = {"kind": "run", "experiment": "final", "model": PAPERS}
WEIGHTS = {"kind": "weights", "provenance": {"experiment": "final"}, "model": PAPERS}

NAH = {"kind": "baseline", "fingerprint": "nah17-1-ab12", "weights": "authors' weights"}


@pytest.mark.parametrize(
    ("method", "sources", "variant", "why"),
    [
        ("final-s0", [RUN], "final", ""),
        ("final", [RUN, RUN], "final", ""),
        ("oracle", [{}], "oracle", ""),
        ("blurred-s1", [{"kind": "file"}], "", ""),
        ("final-small-v1", [WEIGHTS], "final", ""),
        ("mine", [RUN], "", ""),  # a variant of a sweep, say: it claims nothing
        ("final-small-v1", [WEIGHTS | {"model": PAPERS | {"generator": "light"}}], "", "generator is light"),
        ("final-small-v1", [{k: v for k, v in WEIGHTS.items() if k != "model"}], "", "does not say what its network"),
        ("final-small-v1", [WEIGHTS | {"provenance": {"experiment": "mine"}}], "", ""),
        ("final", [RUN | {"model": PAPERS | {"generator": "light"}}], "", "generator is light"),
        ("final-s1", [RUN | {"model": PAPERS | {"global_residual": True}}], "", "adds its output to the input"),
        ("final", [RUN, RUN | {"model": PAPERS | {"generator": "light"}}], "", "generator is light"),
        ("final", [RUN | {"experiment": "no_identity"}], "", "no run of experiment=final"),
        ("final", [{"kind": "file"}], "", "no run of experiment=final"),
        ("final", [{}], "", "protocol does not say what it is"),
        ("pan14_faces", [{"kind": "baseline", "fingerprint": "pan14_faces-1"}], "pan14_faces", ""),
        ("pan16", [{"kind": "baseline", "fingerprint": "xu13-1"}], "", "not all of pan16"),
        ("pan16", [{"kind": "file"}], "", ""),
        ("l0", [{"kind": "baseline", "fingerprint": "l0-1"}], "", ""),  # not in the paper
        ("nah17 (authors' weights)", [NAH], "nah17", ""),
        ("nah17 (retrained)", [NAH | {"weights": "retrained"}], "", "trained anew"),
    ],
)
def test_a_name_has_to_be_borne_out_by_where_the_method_comes_from(method, sources, variant, why):
    found, doubt = paper_variant(method, sources)
    assert found == variant and (why in doubt if why else doubt == "")


def test_a_light_network_is_not_printed_beside_the_papers(make_evaluation, tmp_path):
    light = {"kind": "weights", "provenance": {"experiment": "final"}, "model": PAPERS | {"generator": "light"}}
    removed = {"final-small-v1": 0.5, "final-s0": 0.6}
    protocol = {"methods": {"final-small-v1": light, "final-s0": RUN}}
    rows = read_rows([make_evaluation(tmp_path / "e", removed, people=2, images=False, protocol=protocol)])
    table = comparison_table(rows, all_summaries(rows, ["pravg7"]))
    assert {row[0].text for row in table.rows} == {"final-s0", "blurred", "oracle"}
    assert any(note.startswith("final-small-v1 is not beside") and "light" in note for note in table.notes)
    lines = {row[0].text: row for row in variant_table(rows, "pravg7", "Table 4").rows}
    assert lines["final"][3].value == 0.798 and lines["final-small-v1"][3].value is None


def test_every_compared_method_of_the_paper_has_a_name_here():
    compared = {
        row.method: row.ours for row in printed((5,), "pravg7") if row.ours not in ("final", "blurred", "oracle")
    }
    assert len(compared) == 10 and set(compared.values()) <= {*CLASSICAL, *LEARNED}
    # section 5.2 of the paper: 2014a is the method with exemplars of faces, 2014b the one for text
    assert (compared["Pan et al (2014a)"], compared["Pan et al (2014b)"]) == ("pan14_faces", "pan14_text")


def test_rank_correlation_of_our_order_with_the_papers(make_evaluation, tmp_path):
    removed = {"pan16": 0.8, "krishnan11": 0.6, "xu13": 0.4, "l0": 0.9, "final-s0": 0.95}
    sources = {n: {"kind": "baseline", "fingerprint": f"{n}-1"} for n in ("pan16", "krishnan11", "xu13", "l0")}
    protocol = {"methods": sources | {"final-s0": RUN}}
    rows = read_rows([make_evaluation(tmp_path / "e", removed, people=3, images=False, protocol=protocol)])
    table = order_table(rows, all_summaries(rows, ["pravg7", "vla"]))
    line = {row[0].text: row for row in table.rows}["PrAvg 7"]
    # printed AUC under PrAvg 7: final .798, pan16 .768, blurred .743, krishnan11 .706, xu13 .451; l0 is not printed
    assert line[6].text == "final-s0, pan16, blurred, krishnan11, xu13" and line[1].value == 5
    # ours has blurred last instead of third: ranks 1 2 5 3 4 against 1 2 3 4 5
    assert line[5].text == "final-s0, pan16, krishnan11, xu13, blurred"
    assert line[2].value == pytest.approx(1 - 6 * (2**2 + 1 + 1) / (5 * 24))
    assert order_table(rows, all_summaries(rows.select(rows["method"] != "pan16"), ["pravg9"])) is None


def test_blurred_oracle_ours_and_all_ten_stand_in_one_table_in_the_papers_form_and_in_latex(make_evaluation, tmp_path):
    names = ["final", *COMPARED.values()]
    called = {n: f"{n} (authors' weights)" if n in LEARNED else n for n in names}
    baselines = {called[n]: {"kind": "baseline", "fingerprint": f"{n}-1"} for n in names[1:]}
    removed = {called[n]: 0.9 - 0.08 * i for i, n in enumerate(names)}
    protocol = {"methods": {"final": RUN, **baselines}}
    rows = read_rows([make_evaluation(tmp_path / "e", removed, people=2, images=False, protocol=protocol)])
    summaries = all_summaries(rows, ["pravg7", "vla"])
    table = paper_table(rows, summaries, ["pravg7", "vla"], "Tables 5 and 6", tables=(5, 6))
    ours = [row for row in table.rows if "printed" not in row[0].text]
    assert [row[0].text for row in table.rows[:13]] == [row[0].text for row in ours]
    assert {row[0].text for row in ours} == {"blurred", "oracle", *called.values()}
    assert len(table.rows) == 13 + 13  # and the paper's own
    beside = comparison_table(rows, summaries)
    assert {row[0].text for row in beside.rows} == {row[0].text for row in ours}  # each with its printed figures

    text = latex(table, "tab:all")
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 26
    for line in body:
        assert line.endswith(r" \\") and len(re.split(r"(?<!\\)&", line)) == 7, line
        assert not re.search(r"(?<!\\)[_%#$]", line), line
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert [line for line in text.splitlines() if line.startswith((r"\begin", r"\end"))] == [
        r"\begin{table}", r"\begin{tabular}{lrrrrrr}", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip


def test_the_paper_closes_two_thirds_of_the_gap_under_pravg7():
    assert printed_gap(counterpart("final", "pravg7")) == pytest.approx(100 * (0.798 - 0.743) / (0.827 - 0.743))
