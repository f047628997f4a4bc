import math

import pytest

from facedeblur.settings import check, is_count, is_positive


def test_a_refused_value_is_named_with_what_is_wanted():
    check(True, "epochs", "at least 1", 0)
    with pytest.raises(ValueError, match=r"^epochs: must be at least 1, got '0'$"):
        check(False, "epochs", "at least 1", "0")


def test_counts_are_whole_numbers():
    assert is_count(1) and is_count(0, 0) and is_count(7, 7)
    assert not any(map(is_count, (0, -1, 1.0, "1", None, True)))


def test_positive_numbers_are_finite():
    assert is_positive(1) and is_positive(1e-9)
    assert not any(map(is_positive, (0, -0.5, math.inf, math.nan, "1", None, True)))
