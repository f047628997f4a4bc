"""A run that starts from shipped weights takes over their networks' settings, and refuses what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from facedeblur.errors import UsageError
from facedeblur.models.build import build_networks
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.models.weights import shipped_state, write_weights
from facedeblur.training.settings import run_settings
from facedeblur.training.stages.adversarial import AdversarialStage

TRAINED = ModelSettings(
    image_size=128,
    base_width=2,
    hourglass_features=8,
    hourglass_stacks=1,
    unet_skips=(("E2", "F7"),),
    shared_running=True,
)


@pytest.fixture
def weights(tmp_path):
    """A file of weights, and the networks in it."""
    torch.manual_seed(7)
    networks = build_networks(TRAINED)
    file = tmp_path / "some where" / "mine.safetensors"
    write_weights(file, shipped_state(networks), TRAINED, {})
    return file, networks


def test_the_architecture_is_taken_over_and_the_plug_ins_are_chosen(compose, weights):
    file, _ = weights
    settings = run_settings(
        compose(f"init={file}", "scale=small", "experiment=no_identity", "model.projection_on=discriminator")
    )
    assert settings.model == replace(TRAINED, identity=False, projection_on="discriminator")
    assert settings.init == str(file)


@pytest.mark.parametrize(
    ("override", "message"),
    (
        ("model.base_width=8", r"model\.base_width: .*mine\.safetensors was trained with 2, not 8; leave the key out"),
        ("experiment=identity_nohg", r"model\.two_step: .* was trained with True, not False; choose another"),
        ("experiment=hourglass", "init: weights hold a trained hourglass"),
        ("init=nope", "init: nope: no such weights; known names"),
    ),
)
def test_what_does_not_fit_is_refused_before_anything_starts(compose, weights, override, message):
    with pytest.raises(UsageError, match=message) as caught:
        compose(f"init={weights[0]}", override)
    assert "\n" not in str(caught.value)


def test_the_stage_starts_from_the_weights(weights, make_stage, tmp_path, capsys):
    file, networks = weights
    common = {key: getattr(make_stage(), key) for key in ("settings", "planned_steps", "images_per_step", "folder")}
    stage = AdversarialStage(TRAINED, LossWeights(), None, str(file), batches_per_epoch=4, **common)
    assert "discriminator starts anew" in capsys.readouterr().err
    theirs = shipped_state(networks)
    for name, value in shipped_state(stage.networks).items():
        assert torch.allclose(value, theirs[name], rtol=1e-3, atol=1e-7), name
