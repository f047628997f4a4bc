"""A run that starts from shipped weights takes over their networks' settings, and refuses what does not fit."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
import yaml

from facedeblur.errors import UsageError
from facedeblur.models.build import build_networks
from facedeblur.models.registry import WeightsError
from facedeblur.models.settings import NETWORK_PLUGINS, LossWeights, ModelSettings, half_size_settings
from facedeblur.models.weights import shipped_state, write_weights
from facedeblur.training.settings import TrainerSettings, run_settings
from facedeblur.training.stages.adversarial import AdversarialStage, load_first_step

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


def stage(tmp_path, init=None, identity=False, **values):
    settings = TrainerSettings(epochs=1, ema=0.9, **values)
    model = replace(TRAINED, two_step=False, identity=identity)
    common = {"planned_steps": 10, "batches_per_epoch": 10, "images_per_step": 2, "folder": tmp_path}
    return AdversarialStage(model, LossWeights(), None, init, settings=settings, **common)


@pytest.fixture
def run(tmp_path):
    """A run folder after three steps at a constant rate, and its stage."""
    torch.manual_seed(1)
    first = stage(tmp_path / "run", decay_start=1.0, optimizer="adamw", weight_decay=0.01)
    generator, _ = first.configure_optimizers()
    for _ in range(3):
        for parameter in first.networks.generator_parameters():
            parameter.grad = torch.ones_like(parameter)
        generator.step()
        first.generator_step += 1
        first.after_step()
        first._set_rates()
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(first.run_state() | {"rng": []}, folder / "checkpoints" / "last.ckpt")
    plain = {"two_step": False, "identity": False, "base_width": 2, "image_size": 128, "unet_skips": [["E2", "F7"]]}
    plain |= {"half_size": {}, "plugins": dict.fromkeys(NETWORK_PLUGINS)}  # as the configuration of every run has them
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": plain}))
    return folder, first


def test_a_constant_rate_stays_and_a_branch_goes_on_with_everything_but_its_length(run, tmp_path):
    folder, first = run
    own = first.all_optimizers[0]
    assert own.param_groups[0]["lr"] == 2e-4  # decay_start=1
    assert isinstance(own, torch.optim.AdamW) and own.param_groups[0]["weight_decay"] == 0.01
    branch = stage(tmp_path / "branch", str(folder), decay_start=0.0, optimizer="adamw", weight_decay=0.01)
    branch.configure_optimizers()
    for key, value in first.networks.state_dict().items():
        torch.testing.assert_close(branch.networks.state_dict()[key], value)
    for key, value in first.average.average.items():
        torch.testing.assert_close(branch.average.average[key], value)
    ours, theirs = branch.all_optimizers[0].state_dict()["state"], first.all_optimizers[0].state_dict()["state"]
    torch.testing.assert_close(ours[0]["exp_avg"], theirs[0]["exp_avg"])
    assert branch.generator_step == 0 and branch.position == {"epoch": 0, "batch": 0}
    rates = []
    for branch.generator_step in range(11):
        branch._set_rates()
        rates.append(branch.all_optimizers[0].param_groups[0]["lr"] / 2e-4)
    assert rates == pytest.approx([1 - step / 10 for step in range(11)])


def test_a_branch_takes_the_networks_of_its_run(run, compose):
    folder, _ = run
    settings = run_settings(compose(f"init={folder}", "experiment=identity_nohg", "scale=small"))
    assert (settings.model.base_width, settings.model.unet_skips) == (2, (("E2", "F7"),))
    with pytest.raises(UsageError, match=r"model\.base_width: .* has 2, not 8"):
        compose(f"init={folder}", "experiment=identity_nohg", "model.base_width=8")


def test_the_optimizers_of_a_branch_have_its_own_settings(run, tmp_path):
    folder, _ = run
    branch = stage(tmp_path / "branch", str(folder), optimizer="adamw", weight_decay=0.25, beta1=0.75)
    branch.configure_optimizers()
    group = branch.all_optimizers[0].param_groups[0]
    assert (group["weight_decay"], group["betas"]) == (0.25, (0.75, 0.999))
    plain = stage(tmp_path / "plain", str(folder))
    plain.configure_optimizers()
    assert plain.all_optimizers[0].param_groups[0]["weight_decay"] == 0 and plain.all_optimizers[0].state


def test_optimizers_of_another_kind_start_anew(run, tmp_path, capsys):
    momentum = {"_target_": "torch.optim.SGD", "momentum": 0.9}
    branch = stage(tmp_path / "branch", str(run[0]), optimizer=momentum)
    branch.configure_optimizers()
    assert not any(optimizer.state for optimizer in branch.all_optimizers)
    assert "init: the optimizers start anew" in capsys.readouterr().err


def test_a_branch_of_the_whole_method_begins_an_identity_stream(run, tmp_path, capsys):
    folder, first = run
    branch = stage(tmp_path / "branch", str(folder), identity=True, optimizer="adamw")
    branch.configure_optimizers()
    for key, value in first.networks.state_dict().items():
        torch.testing.assert_close(branch.networks.state_dict()[key], value)
    generator, discriminator = branch.all_optimizers  # the generators' has more parameters than the run's
    assert not generator.state and "init: an optimizer starts anew" in capsys.readouterr().err
    assert discriminator.state_dict()["state"] == first.all_optimizers[1].state_dict()["state"]
    (tmp_path / "branch" / "checkpoints").mkdir(parents=True)
    checkpoint = tmp_path / "branch" / "checkpoints" / "last.ckpt"
    torch.save(branch.run_state() | {"rng": []}, checkpoint)
    back = stage(tmp_path / "back", str(checkpoint), optimizer="adamw")  # the stream is left out again
    for key, value in first.networks.state_dict().items():
        torch.testing.assert_close(back.networks.state_dict()[key], value)


@pytest.mark.parametrize(
    ("change", "word", "message"),
    (
        ({}, "experiment=final", r"model\.two_step: .* has False, not True; choose another experiment"),
        ({"stage": "hourglass"}, "experiment=identity_nohg", r"init: .* is a run of stage=hourglass"),
        (None, "experiment=identity_nohg", r"init: .* has no checkpoint yet; .*last\.ckpt is missing"),
    ),
)
def test_a_run_that_nothing_can_go_on_from_is_refused_before_anything_starts(run, compose, change, word, message):
    folder, _ = run
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | (change or {})))
    if change is None:
        (folder / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(UsageError, match=message):
        compose(f"init={folder}", word)


def test_a_run_of_a_network_of_ones_own_is_gone_on_from_where_its_code_is_named(run, compose, tmp_path):
    folder, _ = run
    (tmp_path / "net.py").write_text("class Net:\n    pass\n")
    code = f"{tmp_path}/net.py:Net"
    plain = yaml.safe_load((folder / "config.yaml").read_text())
    plain["model"]["plugins"] = {"generator": {"_target_": code}}
    (folder / "config.yaml").write_text(yaml.safe_dump(plain))
    words = [f"init={folder}", "experiment=no_identity", "model.two_step=false"]
    model = run_settings(compose(*words, f"model.plugins.generator={code}")).model
    assert model.plugins["generator"] == {"_target_": code} and model.base_width == 2
    with pytest.raises(UsageError, match=r"model\.plugins: .*net\.py.*; name its code again, by the same keys"):
        compose(*words)


def test_a_branch_is_resumed_without_the_run_that_it_began_with(run, compose, tmp_path):
    folder, _ = run
    words = [f"init={folder}", "experiment=no_identity", "model.two_step=false"]
    begun = compose(*words)
    (folder / "config.yaml").unlink()
    with pytest.raises(UsageError, match=f"init: {folder}: no such weights"):
        compose(*words)
    saved = {"overrides": ["experiment=no_identity", "model.two_step=false", "model.base_width=2"], "identity": {}}
    place = tmp_path / "outputs" / "no_identity" / "demo-s0"
    place.mkdir(parents=True)
    (place / "overrides.json").write_text(json.dumps(saved))
    assert compose(*words, "resume=auto")["model"]["base_width"] == begun["model"]["base_width"] == 2


def test_weight_decay_needs_adamw():
    with pytest.raises(ValueError, match="weight_decay: needs optimizer=adamw"):
        TrainerSettings(epochs=1, weight_decay=0.1)


def test_weights_of_half_the_size_become_the_first_step(compose, tmp_path):
    smaller = ModelSettings(image_size=128, generator="light", light_width=4, identity=False, hourglass_stacks=0)
    torch.manual_seed(5)
    networks = build_networks(smaller)
    file = tmp_path / "small.safetensors"
    write_weights(file, shipped_state(networks), smaller, {})
    words = [f"hourglass.checkpoint={file}", "experiment=no_identity", "model.image_size=256", "model.base_width=2"]
    settings = run_settings(compose(*words))
    assert half_size_settings(settings.model) == smaller and settings.model.conditioned
    step = load_first_step(settings.model, file)
    image = torch.rand(1, 3, 256, 256) * 2 - 1
    with torch.no_grad():
        half = torch.nn.functional.avg_pool2d(image, 2)
        change = torch.nn.functional.interpolate(networks.generator(half) - half, scale_factor=2, mode="bilinear")
        assert torch.allclose(step.restore(image), (image + change).clamp(-1, 1), atol=2e-3)  # half precision
    wrong = r"half_size.image_size: must be 64, half of image_size, got 128; .* network with image_size=256"
    with pytest.raises(UsageError, match=wrong):
        run_settings(compose(*words, "model.image_size=128"))
    with pytest.raises(UsageError, match=r"hourglass.checkpoint: .*nope.safetensors: no such weights"):
        compose("hourglass.checkpoint=nope.safetensors")


def test_a_network_with_two_steps_is_no_first_step(compose, tmp_path):
    smaller = ModelSettings(image_size=128, generator="light", light_width=4, identity=False, hourglass_stacks=0)
    both = replace(smaller, image_size=256, half_size=asdict(smaller))
    file = tmp_path / "large.safetensors"
    write_weights(file, shipped_state(build_networks(both)), both, {})
    with pytest.raises(UsageError, match=r"model.half_size.half_size: must be empty"):
        compose(f"hourglass.checkpoint={file}", "experiment=no_identity", "model.image_size=512")


def test_the_settings_of_half_the_size_and_those_of_the_weights_must_agree(tmp_path):
    smaller = ModelSettings(image_size=128, generator="light", light_width=4, identity=False, hourglass_stacks=0)
    file = tmp_path / "small.safetensors"
    write_weights(file, shipped_state(build_networks(smaller)), smaller, {})
    model = ModelSettings(image_size=256, half_size={**asdict(smaller), "light_width": 8})
    with pytest.raises(WeightsError, match=r"small.safetensors: their network is not that of model.half_size"):
        load_first_step(model, file)
