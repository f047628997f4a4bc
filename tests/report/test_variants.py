from __future__ import annotations

import numpy as np
import pytest

from facedeblur.report.rows import read_rows
from facedeblur.report.summary import summarise
from facedeblur.report.variants import variant_of, variant_table


def test_seeds_of_a_variant_become_mean_and_standard_deviation(make_evaluation, tmp_path):
    shares = {"final-s0": 0.6, "final-s1": 0.5, "no_identity": 0.4}
    rows = read_rows([make_evaluation(tmp_path / "e", shares, blurs=("pravg7",), images=False)])
    table = variant_table(rows, "pravg7", "Table 4")
    lines = {row[0].value: row for row in table.rows}
    assert list(lines) == ["blurred", "no_identity", "final", "oracle"]
    aucs = [summarise(rows, f"final-s{seed}", "pravg7").auc for seed in (0, 1)]
    assert lines["final"][1].value == 2
    assert lines["final"][2].value == pytest.approx(np.mean(aucs))
    assert lines["final"][2].note == f"± {np.std(aucs, ddof=1):.3f}"
    assert lines["no_identity"][2].note == ""
    assert lines["final"][2].rank == 1 and lines["no_identity"][2].rank == 2 and lines["oracle"][2].rank == 0
    assert lines["final"][3].value == 0.798 and lines["final"][7].value == 0.93501, "as table 4 prints them"
    assert "standard deviation" in table.notes[-1]


def test_only_a_seed_is_dropped_from_a_name():
    assert [variant_of(name) for name in ("final-s0", "final", "nafnet-small-v1", "my-s")] == [
        "final", "final", "nafnet-small-v1", "my-s",
    ]  # fmt: skip
