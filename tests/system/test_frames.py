"""Stored frames from the command line: the same training from memory and disk, resumed, and from a packed folder."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from facedeblur.models.checkpoint import load_checkpoint

pytestmark = pytest.mark.system

LIGHT = ["experiment=identity_nohg", "model=no_identity", "model.two_step=false", "model.generator=light"]
VARIED = ["data.redraw=true", "data.zoom=0.05", "data.turn=5", "data.photometric=0.5"]


def weights(run):
    return load_checkpoint(run / "checkpoints" / "last.ckpt")


def same(one, two) -> bool:
    return all(torch.equal(value, two["networks"][name]) for name, value in one["networks"].items())


def test_from_memory_or_interrupted_and_from_disk_the_same_network_is_trained(facedeblur, tmp_path):
    common = [*LIGHT, *VARIED, "trainer.decay_start=1"]
    facedeblur("train", *common, "data.frames=memory", "data.workers=2", "name=whole")
    disk = [*common, "data.frames=disk", "name=half"]
    facedeblur("train", *disk, "data.workers=0", "trainer.max_steps=5")
    whole, half = (tmp_path / "outputs" / "identity_nohg" / f"{name}-s0" for name in ("whole", "half"))
    assert (weights(whole)["generator_step"], weights(half)["generator_step"]) == (12, 5)
    facedeblur("train", *disk, "data.workers=1", "resume=auto", "trainer.max_steps=12")
    assert weights(half)["generator_step"] == 12 and same(weights(whole), weights(half))


def test_a_packed_folder_is_all_that_two_processes_need(facedeblur, tmp_path):
    told = facedeblur("prepare", *LIGHT, "data.export_frames=faces").stdout
    assert "faces of 272 px" in told
    nothing = ["data.cache=empty", "data.frames=device", "data=frames", "data.root=faces"]
    done = facedeblur("train", *LIGHT, *VARIED, *nothing, "trainer.devices=2", "data.workers=1", "pieces=1")
    run = tmp_path / "outputs" / "identity_nohg" / "frames-s0"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["generator_steps"] == 12 and summary["windows"] == 8 and summary["replaced_windows"] == 0
    assert (run / "preview.png").is_file() and "pieces of at most 1 MB" in done.stdout
    pieces = sorted(run.glob("weights.safetensors.[0-9]*"))
    joined = b"".join(piece.read_bytes() for piece in pieces)
    digest = (run / "weights.safetensors.sha256").read_text().split()[0]
    assert hashlib.sha256(joined).hexdigest() == digest and max(p.stat().st_size for p in pieces) <= 10**6


def test_frames_that_do_not_fit_are_read_from_their_videos(facedeblur, tmp_path):
    done = facedeblur("train", *LIGHT, "data.frames=memory", "data.frames_limit=0.001", "trainer.max_steps=2")
    assert "more than the 0.001 GB of data.frames_limit; reading videos instead" in done.stderr
    assert weights(tmp_path / "outputs" / "identity_nohg" / "demo-s0")["generator_step"] == 2
