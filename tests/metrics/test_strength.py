"""Quarters of a test set by the strength of its blur."""

from __future__ import annotations

import numpy as np

from facedeblur.metrics.strength import quarters, quartiles


def test_each_quarter_holds_a_quarter():
    values = np.random.default_rng(0).normal(30, 5, 400)
    cuts = quartiles(values)
    assert [int((values < cut).sum()) for cut in cuts] == [100, 200, 300]
    assert np.bincount(quarters(values, cuts)).tolist() == [100] * 4
    assert values[quarters(values, cuts) == 0].max() < values[quarters(values, cuts) == 3].min()


def test_on_a_cut_and_unknown():
    assert quarters([10.0, 20.0, 20.1, 40.0, float("nan")], [10.0, 20.0, 30.0]).tolist() == [0, 1, 2, 3, -1]
