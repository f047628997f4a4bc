"""The account of a run's cost, over its attempts."""

from __future__ import annotations

import json

import pytest

from facedeblur.training.callbacks.cost import Cost, peak_memory_mb

from ..conftest import random_batches


def account(folder) -> list[dict]:
    return json.loads((folder / "cost.json").read_text())


def test_an_attempt_counts_its_own_images_and_seconds(make_stage, fit, tmp_path):
    fit(make_stage(batches=3), random_batches(3), callbacks=[Cost(tmp_path)])
    (first,) = account(tmp_path)
    assert first["images"] == 3 * 2 and 0 < first["seconds"] < 60 and first["peak_gpu_memory_mb"] is None
    assert 0 < first["peak_memory_mb"] <= peak_memory_mb()
    fit(make_stage(batches=2), random_batches(2), callbacks=[Cost(tmp_path)])
    assert [attempt["images"] for attempt in account(tmp_path)] == [6, 4]


def test_a_failed_attempt_is_accounted_too(make_stage, fit, tmp_path, monkeypatch):
    stage = make_stage(batches=4)
    monkeypatch.setattr(stage, "after_step", lambda: 1 / 0 if stage.generator_step == 2 else None)
    with pytest.raises(ZeroDivisionError):
        fit(stage, random_batches(4), callbacks=[Cost(tmp_path)])
    assert account(tmp_path)[0]["images"] == 1 * 2  # the second batch never passed


def test_a_torn_account_begins_anew(tmp_path):
    (tmp_path / "cost.json").write_text("[{")
    assert Cost(tmp_path).earlier == []
