"""The examples in docstrings, run as they stand."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "facedeblur"
WITH_EXAMPLES = sorted(file for file in PACKAGE.rglob("*.py") if ">>> " in file.read_text())


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_examples_in_docstrings(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    module = import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert tried and not failed


@pytest.mark.parametrize("name", ("facedeblur", "blur", "losses", "metrics", "models"))
def test_public_names_exist_and_are_documented(name):
    module = import_module("facedeblur" if name == "facedeblur" else f"facedeblur.{name}")
    assert len(set(module.__all__)) == len(module.__all__) > 3
    for public in set(module.__all__) - {"__version__"}:
        assert (getattr(module, public).__doc__ or "").strip(), public
        assert public in dir(module)
