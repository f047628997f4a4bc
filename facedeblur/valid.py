"""Checks of plain settings: what is impossible is refused in one line that names the field, before anything loads."""

from __future__ import annotations

import math


def check(valid: bool, name: str, wanted: str, value: object) -> None:
    """Raise ValueError "<name>: must be <wanted>, got <value>" unless `valid`."""
    if not valid:
        raise ValueError(f"{name}: must be {wanted}, got {value!r}")


def is_count(value: object, least: int = 1) -> bool:
    """Whether this is a whole number of at least `least`; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_positive(value: object) -> bool:
    """Whether this is a finite number above 0; True is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
