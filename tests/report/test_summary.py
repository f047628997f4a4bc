from __future__ import annotations

import numpy as np
import pytest

from facedeblur.report.breakdowns import breakdown, column_parts, length_parts, strength_parts
from facedeblur.report.rows import read_rows
from facedeblur.report.summary import common_images, gap_closed, ordered_blurs, ordered_methods, paired, summarise


@pytest.fixture(scope="module")
def rows(evaluation):
    return read_rows([evaluation])


def test_scores_are_those_computed_by_hand(rows):
    mine = rows.where(method="weak", blur="pravg7")
    summary = summarise(rows, "weak", "pravg7")
    errors = mine["landmark_error"]
    assert summary.images == 20 and summary.groups == 5
    assert summary.auc == pytest.approx(np.maximum(0, 1 - errors / 0.08).mean(), abs=1e-3)
    assert summary.failure == (errors > 0.08).mean() > 0, "a missed face is a failure"
    assert summary.ssim == pytest.approx(mine["ssim"].mean())
    assert summary.seconds == 0.012
    assert summary.flags == {"no_face": 1}
    interval = summary.intervals["ssim"]
    assert interval.low < summary.ssim < interval.high


def test_the_gap_is_nought_for_the_input_one_for_the_oracle_and_between_for_a_method(rows):
    assert gap_closed(rows, "blurred", "vla").value == 0
    assert gap_closed(rows, "oracle", "vla").value == 1
    gap = gap_closed(rows, "final", "vla")
    auc = {m: summarise(rows, m, "vla").auc for m in ("blurred", "final", "oracle")}
    expected = (auc["final"] - auc["blurred"]) / (auc["oracle"] - auc["blurred"])
    assert gap.value == pytest.approx(expected, abs=1e-9), "tables, tiles and intervals come from one computation"
    assert gap.low < gap.value < gap.high and gap.groups == 5


def test_no_gap_without_its_ends(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", images=False)])
    without = rows.select(rows["method"] != "oracle")
    assert np.isnan(gap_closed(without, "final", "vla").value)


def test_pairs_are_the_images_both_have(rows):
    shortened = rows.select(~((rows["method"] == "final") & (rows["video"] == "p0_v0")))
    one, two = common_images(shortened, "vla", "blurred", "final")
    assert one.image_keys() == two.image_keys() and len(one) == 16
    difference = paired(shortened, "final", "blurred", "vla")
    assert difference.groups == 4 and difference.low > 0
    full = paired(rows, "blurred", "final", "vla")
    assert full.value == pytest.approx(-paired(rows, "final", "blurred", "vla").value)


def test_methods_and_blurs_come_in_the_order_of_the_paper(rows, make_evaluation, tmp_path):
    assert ordered_methods(rows) == ["blurred", "weak", "final", "oracle"]
    other = read_rows([make_evaluation(tmp_path / "e", blurs=("trajectory", "vla", "pravg11", "pravg7"), images=False)])
    assert ordered_blurs(other) == ["pravg7", "pravg11", "vla", "trajectory"]


def test_parts_share_out_the_images_and_their_means_weigh_to_the_whole(rows):
    for parts in (length_parts(rows), strength_parts(rows), column_parts(rows, "category")):
        assert np.sum([mask for _, mask in parts], axis=0).tolist() == [1] * len(rows)
        table = breakdown(rows, parts, "SSIM", "ssim")
        counts = np.array([int(part.rpartition(": ")[2].strip(".")) for part in table.notes[0].split("; ")])
        assert counts.sum() == 40
        for line in table.rows:
            values = np.array([cell.value for cell in line[1:]])
            whole = rows.where(method=line[0].value)["ssim"].mean()
            assert (values * counts).sum() / 40 == pytest.approx(whole)


def test_quarters_hold_as_many_images_and_grow_weaker(rows):
    parts = strength_parts(rows)
    blurred = [rows.select(mask).where(method="blurred")["psnr"] for _, mask in parts]
    assert [len(part) for part in blurred] == [10, 10, 10, 10]
    assert all(a.max() <= b.min() for a, b in zip(blurred, blurred[1:], strict=False))


def test_many_lengths_are_put_into_ranges(make_evaluation, tmp_path):
    rows = read_rows([make_evaluation(tmp_path / "e", images=False)])
    rows.columns["L"] = np.arange(len(rows)) % 30
    parts = length_parts(rows)
    assert len(parts) <= 5 and all(name.startswith("L = ") for name, _ in parts)
    assert np.sum([mask for _, mask in parts], axis=0).tolist() == [1] * len(rows)
