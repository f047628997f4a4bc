"""Means, spreads and paired differences against what the folder was made with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facedeblur.report.sweep.compare import against, lead, ranking, reference_of, spread, window_scores
from facedeblur.report.sweep.figures import band
from facedeblur.report.sweep.read import read_sweep
from facedeblur.report.sweep.tables import cost_table, matrix, matrix_table, variant_table

from .conftest import GAINS


@pytest.fixture
def sweep(sweep_folder):
    return read_sweep(sweep_folder)


def by_name(table):
    return {row[0].text: row for row in table.rows}


def test_spread_over_seeds(sweep):
    found = spread(sweep.of("no_identity"), "psnr")
    assert found.values == pytest.approx((found.mean - 0.05, found.mean + 0.05))
    assert found.sd == pytest.approx(np.std(found.values, ddof=1))


def test_a_paired_difference_is_the_gain_and_beyond_the_seeds(sweep):
    """Seeds move all windows alike, so they cancel in pairs although they move the means."""
    paired = against(sweep.of("no_identity"), sweep.of("final"), "psnr")
    assert paired.over_videos.value == pytest.approx(-1.0, abs=0.02) and paired.over_videos.groups == 8
    assert paired.over_videos.p == pytest.approx(2 / 2**8) and paired.seeds == 2
    assert paired.seed_sd == pytest.approx(0, abs=1e-9) and paired.verdict == "worse, beyond the seeds' spread"


def test_one_seed_cannot_tell(sweep):
    paired = against(sweep.of("final")[:1], sweep.of("no_identity")[:1], "psnr")
    assert paired.beyond_seeds is None and paired.verdict == "better; one seed only"
    assert against(sweep.of("final")[:1], sweep.of("no_identity")[1:], "psnr") is None


def test_a_variant_is_no_better_than_itself(sweep):
    paired = against(sweep.of("final"), sweep.of("final"), "psnr")
    assert paired.over_videos.value == 0 and paired.verdict == "no clear difference"


def test_seeds_that_disagree_are_within_their_spread(sweep):
    first, second = sweep.of("final")
    shifted = [dict(row, deblurred_psnr=row["deblurred_psnr"] + 4) for row in second.rows]
    disagreeing = [first, type(second)(**{**vars(second), "rows": shifted})]
    paired = against(disagreeing, sweep.of("no_identity"), "psnr")
    assert paired.over_videos.value == pytest.approx(3, abs=0.05) and paired.seed_sd == pytest.approx(4 / np.sqrt(2))
    assert paired.verdict == "better, beyond the seeds' spread"
    shifted = [dict(row, deblurred_psnr=row["deblurred_psnr"] + 0.5) for row in second.rows]
    paired = against([first, type(second)(**{**vars(second), "rows": shifted})], sweep.of("final"), "psnr")
    assert paired.over_videos.value == pytest.approx(0.25) and paired.verdict == "better, within the seeds' spread"


def test_ranking_and_reference(sweep):
    assert ranking(sweep) == ["final", "identity_nohg", "no_identity"] and reference_of(sweep) == "final"


def test_the_table_says_it_all(sweep):
    rows = by_name(variant_table(sweep))
    assert rows["final"][2].rank == 1 and rows["final"][-1].text == "reference" and "±" in rows["final"][2].note
    assert rows["no_identity"][6].text == "−1.00" and "…" in rows["no_identity"][6].note
    assert rows["broken"][-1].text == "no finished run"
    strongest, everything = rows["final"][4].value, rows["final"][2].value
    assert strongest < everything


def test_the_input_has_a_row_of_its_own(sweep):
    """20 to 27 dB under vla, one more under pravg: 24 over all; 20, 21, 21, 22, 22 are the strongest quarter."""
    row = by_name(variant_table(sweep))["the input, blurred"]
    assert [cell.value for cell in row[2:6]] == pytest.approx([24.0, 0.7, 21.2, 0.7])
    assert by_name(variant_table(sweep))["final"][2].value == pytest.approx(25.0, abs=0.03)


def test_cost(sweep):
    row = by_name(cost_table(sweep))["final-s0"]
    assert [cell.text for cell in row] == ["final-s0", "gpu 0", "0:01:40", "15.0", "400", "2"]


def test_matrix_of_blurs(sweep):
    variants, blurs, values, sds = matrix(sweep, gain=True)
    assert variants == ["final", "no_identity", "identity_nohg"] and blurs == ["pravg", "vla"]
    assert values[0] == pytest.approx([1, 1], abs=0.02) and values[1] == pytest.approx([0, 0], abs=0.02)
    assert sds == pytest.approx(0.1 / np.sqrt(2))  # the seeds are 0.1 dB apart
    table = matrix_table(sweep)
    assert "8" in table.notes[0] and "mean and standard deviation" in table.caption
    assert by_name(table)["no_identity"][1].note == "± 0.07"


def test_the_best_of_a_column_is_starred_where_it_differs_from_the_runner_up(sweep):
    """final and identity_nohg differ by 0.02 dB and a cosine over videos; without the second, no_identity follows."""
    cells = by_name(matrix_table(sweep))
    expected = lead(sweep, list(GAINS), "psnr", lambda row: row["schedule"] == "vla")
    assert (expected.best, expected.runner_up) == ("final", "identity_nohg")
    assert expected.differs and cells["final"][2].note.endswith("*")
    finals = {run.seed: run.rows for run in sweep.of("final")}
    twins = tuple(
        replace(run, rows=finals[run.seed]) if run.variant == "identity_nohg" else run for run in sweep.runs
    )  # two variants of the same scores: one of them is the best, by nothing
    assert not any("*" in cell.note for row in matrix_table(replace(sweep, runs=twins)).rows for cell in row[1:])
    apart = lead(sweep, ["final", "no_identity"], "psnr")
    assert apart.differs and apart.paired.over_videos.p == pytest.approx(2 / 2**8)
    assert str(apart).startswith("final, +1.0") and "beyond the seeds' spread" in str(apart)
    assert lead(sweep, ["final", "broken"], "psnr") is None
    same = lead(sweep, ["final", "final"], "psnr")
    assert not same.differs


def test_videos_of_one_name_are_told_apart_by_their_person(sweep):
    first = sweep.of("final")[0]
    rows = [dict(row, identity=f"id{n}", video=f"/cache/id{n}/a/1.mp4") for n, row in enumerate(first.rows[::2])]
    run = type(first)(**{**vars(first), "rows": rows})
    assert len(window_scores(run, "psnr")) == len(rows) == 8
    assert against([run], [run], "psnr").over_videos.groups == 8


def test_a_band_reaches_as_far_as_each_curve():
    steps, low, mean, high = band([([0, 10], [1.0, 3.0]), ([0, 20], [3.0, 3.0])])
    assert steps.tolist() == [0, 10, 20]
    assert low.tolist() == [1, 3, 3] and mean.tolist() == [2, 3, 3] and high.tolist() == [3, 3, 3]
