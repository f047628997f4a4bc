"""The time that is left, worked out by hand."""

import pytest

from facedeblur.evaluation.forecast import Forecast


def test_each_method_counts_at_its_own_speed():
    forecast = Forecast({"quick": 10, "slow": 10, "unknown": 2})
    assert forecast.total == 22 and forecast.done == 0 and forecast.seconds_left() == 0
    forecast.restored("quick", 5, 0.5)  # 0.1 an image
    forecast.restored("slow", 2, 6)  # 3 an image
    assert forecast.seconds_left() == pytest.approx(10 * 0.1 + 10 * 3 + 2 * (0.1 + 3) / 2)
    forecast.judged(10, 2.0)
    forecast.finished("quick", 10)
    assert forecast.done == 10
    assert forecast.seconds_left() == pytest.approx(10 * 3 + 2 * 1.55 + 12 * 0.2)
    forecast.finished("slow", 10)
    forecast.finished("unknown", 2)
    assert forecast.seconds_left() == 0 and forecast.done == forecast.total
