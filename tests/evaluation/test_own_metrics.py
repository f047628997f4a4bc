"""Metrics of the user's own in evaluations: a column of the rows, of the summary and of the report."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from facedeblur.errors import UsageError
from facedeblur.evaluation.command import summary, summary_text
from facedeblur.evaluation.own_metrics import OwnMetrics
from facedeblur.evaluation.rows import read_rows
from facedeblur.evaluation.runner import Evaluation
from facedeblur.evaluation.settings import COLUMNS, evaluation_settings
from facedeblur.plugins import PluginError
from facedeblur.report.rows import read_rows as read_report_rows
from facedeblur.report.score_tables import all_summaries, score_table
from facedeblur.scaffold import template

BROKEN = """
def short(images, sharp): return images.mean().reshape(1)
def throws(images, sharp): raise RuntimeError("no such thing\\nat all")
"""


@pytest.fixture
def metric(tmp_path):
    file = tmp_path / "my_metric.py"
    file.write_text(template("metric"))
    return f"{file}:error"


def test_a_column_of_rows_summary_and_report(plain, metric):
    words = ("images=2", "judge.embedder=none", "save=true", f"+metrics.error={metric}")
    evaluation = Evaluation(evaluation_settings(plain(*words)))
    evaluation.run()
    rows = read_rows(evaluation.folder)
    by_method = {}
    for row in rows.to_pylist():
        by_method.setdefault(row["method"], []).append(row["error"])
    assert by_method["oracle"] == [0, 0] and min(by_method["blurred"]) > 0.1
    images = sorted((evaluation.folder / "images").glob("**/blurred.png"))
    expected = [
        np.abs(cv2.imread(str(file)).astype(float) - cv2.imread(str(file.with_name("sharp.png")))).mean()
        for file in images
    ]
    assert sorted(by_method["blurred"]) == pytest.approx(sorted(expected), abs=1e-3)
    assert summary(rows)["pravg7", "blurred"]["error"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert "error" in summary_text(rows)
    report = read_report_rows([evaluation.folder])
    table = score_table(report, all_summaries(report, ["pravg7"]), "")
    assert table.columns[-1].title == "error" and table.rows[-1][-1].value == 0  # the oracle's

    with pytest.raises(UsageError, match="holds rows made with another own_metrics"):
        Evaluation(evaluation_settings(plain("images=2", "judge.embedder=none")))


def test_what_is_wrong_with_one_is_told_before_the_work(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    for name, told in (
        ("short", r"^metrics\.mine: must give one value for each of 2 images, got 1$"),
        ("throws", r"^metrics\.mine: .*broken\.py:throws \(line 3\): RuntimeError: no such thing$"),
    ):
        with pytest.raises(PluginError, match=told):
            OwnMetrics.of_program({"mine": f"{tmp_path}/broken.py:{name}"}, COLUMNS, str).try_out(32)
    with pytest.raises(PluginError, match=r"^metrics\.psnr: the name is taken"):
        OwnMetrics.of_program({"psnr": torch.mean}, COLUMNS, str)


def test_functions_of_a_program_are_told_apart_by_their_code():
    own = OwnMetrics.of_program({"mae": lambda a, b: (a - b).abs().mean((1, 2, 3))}, COLUMNS, lambda metric: "abc")
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert own.scores([black] * 17 + [white], [white] * 18)[16:] == [{"mae": 1.0}, {"mae": 0.0}]
    assert own.described == {"mae": {"fingerprint": "abc"}}
    assert OwnMetrics.of({}).scores([black], [white]) == [{}]
