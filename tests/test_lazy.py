"""Names of a package are imported when they are asked for, and no sooner."""

from __future__ import annotations

import sys

import pytest

from facedeblur.lazy import lazy_names


def test_names_come_from_their_modules_and_stay(tmp_path, monkeypatch):
    package = tmp_path / "late_one"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from facedeblur.lazy import lazy_names\n"
        "__getattr__, __dir__ = lazy_names(__name__, {'value': 'home', 'home': 'home'})\n"
    )
    (package / "home.py").write_text("value = [1]\ndef home(): return 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    import late_one

    assert "late_one.home" not in sys.modules and {"value", "home"} <= set(dir(late_one))
    assert late_one.value is late_one.value and late_one.home() == 2  # the function, not the module beside
    with pytest.raises(AttributeError, match="module 'late_one' has no attribute 'other'"):
        getattr(late_one, "other")  # noqa: B009


def test_every_name_is_where_it_is_said_to_be():
    import facedeblur.metrics
    import facedeblur.models

    for package in (facedeblur.blur, facedeblur.metrics, facedeblur.models):
        assert all(callable(getattr(package, name)) for name in package.__all__)
    assert callable(lazy_names("facedeblur.blur", {})[1])
