"""`facedeblur prepare` as a user runs it: plans, one page with its tables, and a second call that does nothing."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.system


def test_prepare_writes_a_report_once(facedeblur, tmp_path):
    first = facedeblur("prepare", "experiment=identity_nohg", "prepare.samples=4")
    folder = tmp_path / "outputs" / "prepare" / "demo"
    page = (folder / "index.html").read_text()
    assert str(folder.relative_to(tmp_path)) in first.stdout and "adversarial stage, train" in first.stdout
    assert page.count("data:image/jpeg") == 8 and "pravg7" in page and "://" not in page
    windows = pq.read_table(folder / "tables" / "schedules.parquet").column("windows").to_pylist()
    assert sum(windows) > 20
    made = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    second = facedeblur("prepare", "experiment=identity_nohg", "prepare.samples=4")
    assert second.stdout == first.stdout
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()} == made


def test_a_wrong_value_is_one_line(facedeblur):
    done = facedeblur("prepare", "prepare.faces=smallest", status=2)
    assert "prepare.faces: must be one of largest, all, got 'smallest'" in done.stderr
