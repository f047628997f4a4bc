from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from facedeblur.data.plans.plan import Plan
from facedeblur.data.plans.report import ClipFacts, PlanReport
from facedeblur.data.plans.tables import TABLES, write_tables

from ..conftest import plan_row


@pytest.fixture
def tables(tmp_path):
    """All tables of two sets, the second of one window, as lists of dictionaries."""
    rng = np.random.default_rng(0)
    rows = [
        plan_row(
            f"{i % 3}.mp4", 0, 7 + 2 * (i % 4), identity=f"p{i % 2}", schedule="vla" if i % 5 else "pravg7",
            ssim=float(rng.uniform(0.7, 1)), side=int(rng.integers(60, 400)), stop="flow" if i % 3 else "quality",
        )
        for i in range(60)
    ]  # fmt: skip
    plan = Plan.from_rows(rows)
    clips = [ClipFacts(f"{i}.mp4", "A", f"p{i % 2}", "train", windows=20) for i in range(3)]
    clips.append(ClipFacts("a\nb.mp4", "A", "p3", "train", reason="empty file"))
    report = PlanReport.of(plan, 4, [("a\nb.mp4", "empty file")], {"vla": {"static": 3}}, clips)
    one = plan.select([0])
    write_tables(tmp_path, {"first": (plan, report), "second": (one, PlanReport.of(one, 1))})
    return rows, {name: pq.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in TABLES}


def test_counts_are_those_of_the_windows(tables):
    rows, found = tables
    for name in ("identities", "schedules", "lengths", "blur", "faces", "stops"):
        assert sum(row["windows"] for row in found[name] if row["set"] == "first") == 60, name
        assert sum(row["windows"] for row in found[name] if row["set"] == "second") == 1, name
    person = next(row for row in found["identities"] if row["identity"] == "p1" and row["set"] == "first")
    own = [row for row in rows if row["identity"] == "p1"]
    assert person["windows"] == len(own) and person["clips"] == 3
    assert person["ssim"] == pytest.approx(np.mean([row["ssim"] for row in own]), abs=1e-5)
    assert person["face"] == pytest.approx(np.mean([row["side"] for row in own]) / 1.6)


def test_histograms_hold_each_window_in_its_bin(tables):
    rows, found = tables
    for row in (row for row in found["blur"] if row["set"] == "first"):
        inside = [r for r in rows if r["schedule"] == row["schedule"] and 0 <= r["ssim"] - row["ssim"] < 0.02]
        assert row["windows"] == len(inside)
    for row in (row for row in found["faces"] if row["set"] == "first"):
        assert row["windows"] == sum(row["face"] <= r["side"] / 1.6 < row["face"] + 32 for r in rows)


def test_rejects_skipped_and_clips(tables):
    _, found = tables
    assert found["rejects"] == [{"set": "first", "schedule": "vla", "reason": "static", "candidates": 3}]
    assert found["skipped"] == [{"set": "first", "path": "a\\nb.mp4", "reason": "empty file"}]
    assert [row["reason"] for row in found["clips"]] == ["", "", "", "empty file"]
