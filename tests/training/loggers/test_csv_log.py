"""metrics.csv grows, never shrinks by accident, and is cut back to the checkpoint on resumption."""

from __future__ import annotations

from facedeblur.training.loggers.csv_log import MetricsCsv


def test_rows_and_new_columns(tmp_path):
    log = MetricsCsv(tmp_path / "metrics.csv")
    log.log_metrics({"train/l1": 0.5}, step=1)
    log.log_metrics({"train/l1": 0.25}, step=2)
    log.log_metrics({"val/psnr": 30.0}, step=2)
    rows = log.rows()
    assert [row["step"] for row in rows] == ["1", "2", "2"]
    assert rows[0]["train/l1"] == "0.5" and rows[0]["val/psnr"] == "" and rows[2]["val/psnr"] == "30"


def test_a_second_start_appends(tmp_path):
    MetricsCsv(tmp_path / "m.csv").log_metrics({"a": 1}, step=1)
    log = MetricsCsv(tmp_path / "m.csv")
    log.log_metrics({"a": 2}, step=2)
    assert [row["a"] for row in log.rows()] == ["1", "2"]


def test_resumption_drops_what_will_be_computed_again(tmp_path):
    log = MetricsCsv(tmp_path / "m.csv")
    for step in range(1, 6):
        log.log_metrics({"a": step}, step=step)
    assert [row["step"] for row in MetricsCsv(tmp_path / "m.csv", resume_step=3).rows()] == ["1", "2", "3"]


def test_a_torn_row_is_left_out(tmp_path):
    log = MetricsCsv(tmp_path / "m.csv")
    log.log_metrics({"a": 1, "b": 2}, step=1)
    with open(tmp_path / "m.csv", "a") as file:
        file.write("2,")
    assert [row["step"] for row in MetricsCsv(tmp_path / "m.csv", resume_step=9).rows()] == ["1"]
