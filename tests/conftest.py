"""Shared fixtures: the composed configuration as plain dictionaries."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("WANDB_MODE", "offline")


@pytest.fixture
def compose(tmp_path):
    """`compose("key=value", ...)` -> the plain configuration, with output in a temporary folder."""
    from facedeblur.cli import _checked, _compose

    def composed(*overrides: str) -> dict:
        overrides = [*overrides, f"output={tmp_path / 'outputs'}"]
        return _checked(_compose(overrides), overrides)

    return composed
