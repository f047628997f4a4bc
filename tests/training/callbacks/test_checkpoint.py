"""Checkpoints load with weights_only=True, are written whole or not at all, and carry the random generators."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

from facedeblur.models.checkpoint import FORMAT, CheckpointError, load_checkpoint
from facedeblur.training.callbacks.checkpoint import rng_state, save_checkpoint, set_rng_state


def test_round_trip_with_weights_only(tmp_path):
    state = {"format": FORMAT, "weights": {"a": torch.arange(3.0)}, "rng": [rng_state()], "step": 7}
    save_checkpoint(tmp_path / "x.ckpt", state)
    loaded = load_checkpoint(tmp_path / "x.ckpt")
    assert loaded["step"] == 7 and torch.equal(loaded["weights"]["a"], torch.arange(3.0))


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_unreadable_files_are_named(tmp_path, content):
    path = tmp_path / "broken.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken.ckpt"):
        load_checkpoint(path)


def test_another_format_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="format"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_a_kill_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"format": FORMAT, "step": 1})

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, {"format": FORMAT, "step": 2})
    assert load_checkpoint(path)["step"] == 1 and os.listdir(tmp_path) == ["last.ckpt"]


def test_random_generators_go_on_where_they_were(tmp_path):
    save_checkpoint(tmp_path / "rng.ckpt", {"format": FORMAT, "rng": rng_state()})
    first = torch.rand(3), np.random.rand(3), random.random()
    set_rng_state(load_checkpoint(tmp_path / "rng.ckpt")["rng"])
    again = torch.rand(3), np.random.rand(3), random.random()
    assert torch.equal(first[0], again[0]) and np.array_equal(first[1], again[1]) and first[2] == again[2]
