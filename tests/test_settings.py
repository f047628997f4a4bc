import math

import pytest

from facedeblur.settings import check, check_count, is_count, is_positive


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


def test_a_count_may_be_another_value_where_it_is_said():
    for value in (0, 3, "auto", None):
        check_count("jobs", value, 0, "auto", None)
    check_count("jobs", 1)
    for value in (0, True, 1.0, "auto", None):
        with pytest.raises(ValueError, match=r"^jobs: must be a whole number of at least 1, got "):
            check_count("jobs", value)
    with pytest.raises(ValueError, match=r"^jobs: must be auto or null or a whole number of at least 2, got 1$"):
        check_count("jobs", 1, 2, "auto", None)
