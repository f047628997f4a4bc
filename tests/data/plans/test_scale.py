"""The simulation of `benchmarks.scale` in small."""

from __future__ import annotations

import numpy as np

from benchmarks.scale import batches, dealt, diversity, mixture, simulated_plan
from facedeblur.data.plans import landmarks as plan_landmarks
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.settings import LoaderSettings

VIDEOS, WINDOWS = 200, 23_000


def test_a_large_plan_is_dealt_without_gap_or_duplicate_and_keeps_its_landmarks_on_disk(tmp_path, monkeypatch):
    made = simulated_plan(VIDEOS, 500_000, WINDOWS)
    made.write(tmp_path / "plan.parquet")
    plan = Plan.read(tmp_path / "plan.parquet")
    read = []
    original = plan_landmarks.pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        plan_landmarks.pq.ParquetFile, "read_row_group", lambda self, *a, **k: read.append(a) or original(self, *a, **k)
    )
    stream = PairStream(plan, LoaderSettings(size=256, batch=16), mixture(WINDOWS), world=8)
    parts, rows = dealt(stream, epoch=3, ranks=8, workers=8)
    given = np.concatenate([emit for rank in parts for emit in rank])
    assert len(rows) == WINDOWS // 16 * 16
    assert sorted(given) == sorted(rows)
    assert sum(map(len, batches(parts, 2))) == len(rows)
    assert all(diversity(plan, parts, local) >= 0.75 for local in (2, 16))
    assert not read
    for row in (0, 1, 2, 2500, 22_999):
        np.testing.assert_array_equal(plan[row].landmarks, made[row].landmarks)
        assert plan[row].window == made[row].window
    assert len(read) <= 3  # once per row group


def test_a_selection_of_plans_on_disk_finds_its_landmarks(tmp_path):
    plans = []
    for seed in (1, 2):
        simulated_plan(20, 50_000, 4600, seed).write(tmp_path / f"{seed}.parquet")
        plans.append(Plan.read(tmp_path / f"{seed}.parquet"))
    joined = Plan.concat(plans).select(np.array([4599, 4600, 9199, 0]))
    expected = [plans[0][4599], plans[1][0], plans[1][4599], plans[0][0]]
    for row, window in enumerate(expected):
        np.testing.assert_array_equal(joined[row].landmarks, window.landmarks)
    joined.write(tmp_path / "joined.parquet")
    np.testing.assert_array_equal(
        Plan.read(tmp_path / "joined.parquet").column("landmarks"), joined.column("landmarks")
    )
