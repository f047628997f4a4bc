"""Names of a package are imported when they are asked for, and no sooner."""

from __future__ import annotations

import sys

import pytest

from facedeblur import blur, metrics, models


def test_names_come_from_their_modules_when_asked_for(tmp_path, monkeypatch):
    package = tmp_path / "late_one"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from facedeblur.lazy import lazy_names\n__getattr__, __dir__ = lazy_names(__name__, {'value': 'home'})\n"
    )
    (package / "home.py").write_text("value = [1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    import late_one

    assert "late_one.home" not in sys.modules and "value" in dir(late_one)
    assert late_one.value == [1] and "value" in vars(late_one)
    with pytest.raises(AttributeError, match="module 'late_one' has no attribute 'other'"):
        getattr(late_one, "other")  # noqa: B009


def test_every_name_is_where_it_is_said_to_be():
    for package in (blur, metrics, models):
        assert all(callable(getattr(package, name)) for name in package.__all__)
