"""Networks come back from a run folder as they were trained, and whatever does not fit is named."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
import yaml

from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.checkpoint import FORMAT, CheckpointError, is_run, load_run
from facedeblur.models.deblurrer import HourglassDeblurrer, NetworkDeblurrer
from facedeblur.models.settings import ModelSettings

SETTINGS = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)


def write_run(folder, settings=SETTINGS, networks=None, stage="adversarial", average=None):
    (folder / "checkpoints").mkdir(parents=True)
    model = {**asdict(settings), "unet_skips": [list(pair) for pair in settings.unet_skips], "keep": [*settings.keep]}
    (folder / "config.yaml").write_text(yaml.safe_dump({"experiment": "final", "model": model}))
    state = {"format": FORMAT, "stage": stage, "generator_step": 7, "networks": networks.state_dict()}
    torch.save(state | {"average": average}, folder / "checkpoints" / "last.ckpt")
    return folder


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return build_networks(SETTINGS)


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))


def test_a_run_deblurs_as_its_networks_did(tmp_path, networks, images):
    folder = write_run(tmp_path / "run", networks=networks)
    run = load_run(folder)
    assert run.step == 7 and run.settings == SETTINGS and run.config["experiment"] == "final"
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    torch.testing.assert_close(run.deblurrer()(images), expected)
    assert is_run(folder) and is_run(run.checkpoint) and not is_run(tmp_path)
    assert load_run(run.checkpoint).step == 7


def test_the_moving_average_is_what_a_run_ships(tmp_path, networks):
    average = {name: value + 1 for name, value in networks.generator.state_dict().items()}
    run = load_run(write_run(tmp_path / "run", networks=networks, average={"updates": 3, "average": average}))
    for name, value in run.generator.state_dict().items():
        assert torch.equal(value, average[name])


def test_an_hourglass_run_and_one_without_hourglass(tmp_path, images):
    hourglass = build_hourglass(SETTINGS)
    run = load_run(write_run(tmp_path / "hourglass", networks=hourglass, stage="hourglass"))
    assert run.generator is None
    torch.testing.assert_close(run.deblurrer()(images), HourglassDeblurrer(hourglass)(images))
    plain = replace(SETTINGS, two_step=False, identity=False)
    run = load_run(write_run(tmp_path / "plain", plain, build_networks(plain)))
    assert run.hourglass is None and run.deblurrer()(images).shape == images.shape


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"base_width": 4}, r"generator\.encoder\S+ is \(2, 6, 4, 4\), the model wants \(4, 6, 4, 4\)"),
        ({"identity": False}, r"the model has no identity\.\S+ and \d+ more"),
        ({"norm": "none"}, r"the model has no generator\.\S+"),
    ],
)
def test_another_architecture_is_named(tmp_path, networks, other, message):
    folder = write_run(tmp_path / "run", replace(SETTINGS, **other), networks)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_run(folder)
    assert "\n" not in str(caught.value) and "last.ckpt" in str(caught.value)


def test_what_is_missing_is_named(tmp_path, networks):
    with pytest.raises(CheckpointError, match="config.yaml: no such file"):
        load_run(tmp_path)
    folder = write_run(tmp_path / "run", networks=networks)
    (folder / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(CheckpointError, match="last.ckpt: no such checkpoint"):
        load_run(folder)
    (folder / "config.yaml").write_text("model: {base_widht: 2}")
    with pytest.raises(CheckpointError, match="base_widht.*known keys: image_size"):
        load_run(folder)
    (folder / "config.yaml").write_text("model: 3")
    with pytest.raises(CheckpointError, match="no section model"):
        load_run(folder)
