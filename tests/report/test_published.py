from __future__ import annotations

import pytest

from facedeblur.report.paper_tables import printed_gap
from facedeblur.report.published import base_name, counterpart, printed, published


def test_every_printed_row_is_there():
    counts = {table: len([row for row in published() if row.table == table]) for table in range(4, 9)}
    # 13 methods in tables 5 to 8, three blurs in 5 and 6, one in 7, two in 8; four variants in 4
    assert counts == {4: 4, 5: 39, 6: 39, 7: 13, 8: 26}


@pytest.mark.parametrize(
    ("method", "blur", "tables", "auc", "failure", "ssim"),
    [
        ("final", "pravg7", (5, 6, 7), 0.798, 0.03947, 0.94501),
        ("final", "pravg7", (4,), 0.798, 0.03947, 0.93501),
        ("final-s0", "vla", (5, 6, 7), 0.786, 0.03118, 0.9075),
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


def test_names_of_runs_and_weights_stand_for_their_variant():
    names = [
        "final",
        "final-s1",
        "identity_nohg_only2mf2-s0",
        "no_identity-small-v1",
        "final (a)",
        "finalist",
        "nafnet",
    ]
    assert [base_name(name) for name in names] == [
        "final", "final", "identity_nohg_only2mf2", "no_identity", "final", "finalist", "nafnet",
    ]  # fmt: skip
    assert counterpart("nafnet", "vla") is None


def test_the_paper_closes_two_thirds_of_the_gap_under_pravg7():
    assert printed_gap(counterpart("final", "pravg7")) == pytest.approx(100 * (0.798 - 0.743) / (0.827 - 0.743))
