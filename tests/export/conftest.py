"""A run folder as training leaves it, with networks whose every tensor is random."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
import yaml

from facedeblur.models.build import Networks, build_networks
from facedeblur.models.checkpoint import FORMAT
from facedeblur.models.settings import ModelSettings

SMALL = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)


@pytest.fixture
def small() -> ModelSettings:
    return SMALL


@pytest.fixture
def scramble():
    """`scramble(settings)` -> fresh networks whose running statistics, too, are not those of the initialisation."""
    return _scrambled


def _scrambled(settings: ModelSettings = SMALL) -> Networks:
    torch.manual_seed(0)
    networks = build_networks(settings)
    for parameter in networks.parameters():
        if not parameter.any():  # layers that start at zero
            torch.nn.init.normal_(parameter, std=0.02)
    for name, buffer in networks.named_buffers():
        if name.endswith("var"):
            buffer.uniform_(0.5, 2)
        elif buffer.is_floating_point():
            buffer.normal_()
    return networks.eval()


@pytest.fixture
def make_run(tmp_path):
    """`make_run(networks, settings=SMALL, names=("last",), average=None)` -> the run folder."""

    def make(networks, settings=SMALL, names=("last",), average=None, stage="adversarial"):
        folder = tmp_path / "outputs" / "final" / "demo-s0"
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        config = {
            "experiment": "final",
            "scale": "demo",
            "seed": 3,
            "model": json.loads(json.dumps(asdict(settings))),
            "data": {"name": "demo", "kind": "demo", "batch": 8, "strength": 1.0},
            "blur": {"schedules": {"vla": 1.0}, "val_schedules": ["vla"]},
            "trainer": {"accumulate": 2, "ema": None},
            "loss": {"adversarial": 1.0},
            "init": "/home/somebody/first.safetensors",
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "versions.json").write_text(json.dumps({"torch": "2", "platform": "a host", "git_commit": "abc"}))
        manifest = {"manifest": "0123", "videos": 3, "skipped": [["/home/somebody/x.mp4", "torn"]]}
        (folder / "data.json").write_text(json.dumps({"train": manifest, "val": manifest}))
        state = {"format": FORMAT, "stage": stage, "generator_step": 7, "average": average}
        for name in names:
            torch.save(state | {"networks": networks.state_dict()}, folder / "checkpoints" / f"{name}.ckpt")
        return folder

    return make


@pytest.fixture
def networks():
    return _scrambled()


@pytest.fixture
def images():
    noise = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(noise, size=128, mode="bicubic").clamp(0, 1)
