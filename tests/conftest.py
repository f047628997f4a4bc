"""Shared fixtures: the composed configuration as plain dictionaries."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("WANDB_MODE", "offline")


@pytest.fixture
def compose(tmp_path):
    """`compose("key=value", ...)` -> the plain configuration, with output in a temporary folder."""
    from facedeblur.cli import _checked, _compose, _quoted, _with_saved

    def composed(*overrides: str) -> dict:
        given = [_quoted(override) for override in (*overrides, f"output={tmp_path / 'outputs'}")]
        return _checked(_compose(_with_saved(given)))

    return composed
