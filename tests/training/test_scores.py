"""The closing table against hand-made rows."""

from __future__ import annotations

import pytest

from facedeblur.training.scores import QUARTERS, score_table, summarise


def rows(psnrs):
    return [
        {"blurred_psnr": p, "blurred_ssim": p / 100, "deblurred_psnr": p + 2, "deblurred_ssim": p / 100 + 0.1}
        for p in psnrs
    ]


def test_means_and_quarters():
    summary = summarise(rows([40, 20, 30, 10]), ("blurred", "deblurred"))
    assert summary["blurred"]["psnr"] == 25 and summary["deblurred"]["psnr"] == 27
    quarters = summary["blurred"]["by_strength"]
    assert [quarters[name]["psnr"] for name in QUARTERS] == [10, 20, 30, 40]
    assert summary["deblurred"]["by_strength"]["strongest"] == pytest.approx({"psnr": 12, "ssim": 0.2})
    assert summary["windows"] == 4


def test_one_window_and_none():
    summary = summarise(rows([30]), ("blurred",))
    assert list(summary["blurred"]["by_strength"]) == ["strongest"]
    with pytest.raises(ValueError, match="no validation window"):
        summarise([], ("blurred",))


def test_table_has_a_row_per_method():
    table = score_table(summarise(rows([10, 20, 30, 40]), ("blurred", "deblurred")), ("blurred", "deblurred"))
    assert table.row_count == 2 and len(table.columns) == 6
