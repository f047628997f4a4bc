"""Shared fixtures: the composed configuration as plain dictionaries."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("WANDB_MODE", "offline")


@pytest.fixture
def compose(tmp_path):
    """`compose("key=value", ...)` -> the plain configuration, with output in a temporary folder."""
    from facedeblur.composition import compose_config, quoted, with_saved
    from facedeblur.hydra_run import checked

    def composed(*overrides: str) -> dict:
        given = [quoted(override) for override in (*overrides, f"output={tmp_path / 'outputs'}")]
        return checked(compose_config(with_saved(given)))

    return composed
