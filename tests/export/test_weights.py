"""A run's networks leave it as small files, and come back as the same deblurrer or as the start of a new training."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from facedeblur.errors import UsageError
from facedeblur.export import weights as export
from facedeblur.export.command import main
from facedeblur.models import registry
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.registry import WeightsError
from facedeblur.models.weights import describe, initialise, load_weights, training_state, write_weights

NEVER_SHIPPED = ("num_batches_tracked",)
SHARP = {"sharp_running_mean", "sharp_running_var"}  # in the training file


def exported(folder, tmp_path):
    return export.write_run(folder, tmp_path / "w" / "mine.safetensors")


def tensors_differ(first, second) -> list[str]:
    """Names of the tensors that differ by more than half precision does."""
    theirs = second.state_dict()
    return [
        name
        for name, value in first.state_dict().items()
        if not name.endswith(NEVER_SHIPPED) and not torch.allclose(value, theirs[name], rtol=1e-3, atol=1e-6)
    ]


def test_it_deblurs_as_the_run_did(make_run, networks, images, tmp_path, small):
    file, _ = exported(make_run(networks), tmp_path)
    weights = load_weights(file)
    assert weights.settings == small and weights.name == "mine"
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    assert (weights.deblurrer()(images) - expected).abs().max() < 2 / 255
    assert not any(parameter.requires_grad for parameter in weights.generator.parameters())


def test_only_the_test_time_network_ships_and_nothing_is_kept_twice(make_run, networks, tmp_path):
    file, training = (load_file(path) for path in exported(make_run(networks), tmp_path))
    assert {key.split(".")[0] for key in file} == {"generator", "two_step"}
    assert not file.keys() & training.keys()
    assert {".".join(key.split(".")[:2]) for key in training} >= {"discriminator.trunk", "identity.encoder"}
    assert not any(key.startswith("identity.decoder") for key in training)
    assert all(value.dtype == (torch.float16 if value.ndim > 1 else torch.float32) for value in file.values())
    needed = sum(p.numel() for net in (networks.generator, networks.hourglass) for p in net.parameters())
    assert needed <= sum(value.numel() for value in file.values()) < 1.1 * needed


def test_equal_runs_give_equal_files_without_paths_or_hosts(make_run, networks, tmp_path):
    folder = make_run(networks)
    hashes = {hashlib.sha256(exported(folder, tmp_path)[0].read_bytes()).hexdigest() for _ in range(3)}
    assert len(hashes) == 1
    _, told = describe(tmp_path / "w" / "mine.safetensors")
    assert told["generator_steps"] == 7 and told["images"] == 7 * 8 * 2 and told["seed"] == 3
    assert told["initialised_from"] == "first.safetensors"
    assert told["data"]["train"] == {"manifest": "0123", "videos": 3} and told["versions"]["git_commit"] == "abc"
    assert not re.search(r"/home|a host|" + re.escape(str(tmp_path)), str(told))


def test_the_checkpoint_that_validation_chose_ships_with_its_average(make_run, networks, images, tmp_path, scramble):
    best = scramble()
    average = {name: value + 0.01 for name, value in best.generator.state_dict().items()}
    make_run(networks, names=("last",))
    folder = make_run(best, names=("best",), average={"updates": 3, "average": average})
    best.generator.load_state_dict(average)
    weights = load_weights(exported(folder, tmp_path)[0])
    assert {name.rpartition(".")[2] for name in tensors_differ(weights.generator, best.generator)} == SHARP
    assert weights.provenance["checkpoint"] == "best"


def test_an_average_lies_on_the_line_between_two_networks(make_run, networks, small, tmp_path, scramble, capsys):
    first = tmp_path / "first.safetensors"
    file, _ = exported(make_run(networks), tmp_path)
    file.rename(first)
    begun = {name: value.clone() for name, value in load_file(first).items()}
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.add_(1.0)
    folder, out = make_run(networks), tmp_path / "between.safetensors"
    assert main([str(folder), "--average", f"{first}=0.25", "-o", str(out)]) == 0
    moved = dict(networks.named_parameters())
    for name, value in load_file(out).items():
        change = 0.75 if name in moved or name.removeprefix("two_step.") in moved else 0.0  # statistics stay
        torch.testing.assert_close(value.float(), begun[name].float() + change, rtol=2e-3, atol=2e-3)
    assert describe(out)[1]["averaged_with"] == {"weights": "first.safetensors", "share": 0.25}
    assert "at most" not in capsys.readouterr().out, "there is no such network in full precision to compare with"
    other = scramble(replace(small, base_width=4))
    with pytest.raises(UsageError, match=r"first\.safetensors: .*generator\.\S+ is \(2, \S.*, the model wants \(4, "):
        export.averaged(other, str(first), 0.5)
    first.write_bytes(first.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"first\.safetensors: not a readable safetensors file"):
        export.averaged(networks, str(first), 0.5)


def test_what_a_mixture_drew_is_told(make_run, networks, tmp_path):
    folder = make_run(networks)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    rows = [{"weight": 3, "blur": {"pravg7": 1, "sharp": 1}}, {"weight": 1, "blur": {"sharp": 4}}, {"weight": 2}]
    config["data"]["mixture"] = rows
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    file, _ = exported(folder, tmp_path)
    assert describe(file)[1]["blur"]["train"] == {"pravg7": 0.25, "sharp": 0.417, "vla": 0.333}


def test_training_goes_on_from_both_files(make_run, networks, tmp_path, small):
    file, _ = exported(make_run(networks), tmp_path)
    fresh = build_networks(small)
    assert initialise(fresh, file) == "mine: generator and hourglass, discriminator and identity stream"
    assert not tensors_differ(fresh, networks)


def test_without_the_training_file_the_discriminator_starts_anew(make_run, networks, tmp_path, small):
    file, training = exported(make_run(networks), tmp_path)
    training.unlink()
    fresh = build_networks(small)
    before = {key: value.clone() for key, value in training_state(fresh).items()}
    assert "starts anew" in initialise(fresh, file)
    assert all(torch.equal(value, before[key]) for key, value in training_state(fresh).items())
    assert not tensors_differ(fresh.hourglass, networks.hourglass)


def test_training_goes_on_without_the_identity_stream(make_run, networks, tmp_path, small):
    file, _ = exported(make_run(networks), tmp_path)
    fresh = build_networks(replace(small, identity=False))
    assert initialise(fresh, file) == "mine: generator and hourglass, discriminator"
    assert not tensors_differ(fresh, networks)


@pytest.mark.parametrize("generator", ("table3", "light", "naf"))
def test_the_identity_stream_starts_anew_on_weights_trained_without_one(make_run, small, scramble, tmp_path, generator):
    settings = replace(small, generator=generator, light_width=4, naf_width=4)
    networks = scramble(replace(settings, identity=False))
    file, _ = exported(make_run(networks, replace(settings, identity=False)), tmp_path)
    fresh = build_networks(settings)
    encoder = {key: value.clone() for key, value in fresh.identity.encoder.state_dict().items()}
    assert "the identity stream starts anew" in initialise(fresh, file)
    assert not tensors_differ(fresh.discriminator, networks.discriminator)
    assert all(torch.equal(value, encoder[key]) for key, value in fresh.identity.encoder.state_dict().items())


@pytest.mark.parametrize("change", ({"two_step": False}, {"global_residual": True, "norm": "none"}))
def test_other_networks_ship_too(make_run, small, scramble, tmp_path, images, change):
    settings = replace(small, **change)
    networks = scramble(settings)
    weights = load_weights(exported(make_run(networks, settings), tmp_path)[0])
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    assert (weights.deblurrer()(images) - expected).abs().max() < 2 / 255


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"base_width": 4}, r"generator\.\S+ is \(2, 6, 4, 4\), the model wants \(4, 6, 4, 4\)"),
        ({"two_step": False}, r"generator\.\S+ is \(2, 6, 4, 4\), the model wants \(2, 3, 4, 4\)"),
        ({"norm": "none"}, r"the model has no generator\.\S+ and \d+ more"),
    ),
)
def test_what_does_not_fit_is_named(make_run, networks, tmp_path, change, message, small):
    file, _ = exported(make_run(networks), tmp_path)
    with pytest.raises(UsageError, match=message) as caught:
        initialise(build_networks(replace(small, **change)), file)
    assert "mine.safetensors" in str(caught.value) and "\n" not in str(caught.value)


def test_settings_of_a_newer_version_and_torn_files_are_refused(make_run, networks, tmp_path):
    file, _ = exported(make_run(networks), tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    with pytest.raises(WeightsError, match=r"mine\.safetensors"):
        load_weights(file)
    file.write_bytes(whole.replace(b"base_width", b"base_widht"))
    with pytest.raises(WeightsError, match="base_widht"):
        load_weights(file)


def test_numbers_beyond_half_precision_are_refused(tmp_path, small):
    with pytest.raises(WeightsError, match="big is not finite"):
        write_weights(tmp_path / "x.safetensors", {"big": torch.full((2, 2), 1e6)}, small, {})
    assert not list(tmp_path.iterdir())


def test_the_command_registers_what_is_then_known_by_name(make_run, networks, tmp_path, monkeypatch, capsys):
    package = tmp_path / "package"
    package.mkdir()
    (package / "registry.json").write_text("{}")
    for module in (registry, export):
        monkeypatch.setattr(module, "PACKAGED", package)
        monkeypatch.setattr(module, "BESIDE", tmp_path / "beside")
    monkeypatch.setattr(export, "register", lambda *args: registry.register(*args, package))
    assert main([str(make_run(networks)), "--register", "final-demo-v1"]) == 0
    out = capsys.readouterr().out
    assert registry.weight_names(package)["final-demo-v1"].sha256 in out and "grey levels" in out
    assert [path.name for path in (tmp_path / "beside").iterdir()] == ["final-demo-v1.training.safetensors"]
    registry.locate("final-demo-v1", package, tmp_path / "beside").verify()


def test_the_command_refuses_what_it_cannot_export(make_run, tmp_path, small):
    hourglass = build_hourglass(small)
    folder = make_run(hourglass, stage="hourglass")
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([str(folder), "-o", str(tmp_path / "x.safetensors")], "only the hourglass stage"),
        ([str(folder), "-o", str(tmp_path / "x.pt")], r"<name>\.safetensors"),
        ([str(folder)], "-o <file>"),
        ([str(folder), "--register", "best"], "final-small-v1"),
        (["nowhere", "-o", str(tmp_path / "x.safetensors")], "^nowhere: no such run"),
        ([str(tmp_path / "empty"), "-o", str(tmp_path / "x.safetensors")], "empty: neither a run folder"),
        ([str(folder / "config.yaml"), "-o", str(tmp_path / "x.safetensors")], "config.yaml: neither a run folder"),
    ):
        with pytest.raises(UsageError, match=message):
            main(arguments)
    assert not (tmp_path / "x.safetensors").exists()


def test_the_blurs_of_passes_by_number_of_windows_are_shares_of_the_epoch():
    blur = {"schedules": {"vla": 3, "pravg": 1}}
    rows = [{"corpus": "a", "count": 30}, {"corpus": "b", "count": 10, "blur": {"motion": 1}}]
    assert export._drawn_blurs({"mixture": rows}, blur) == {"vla": 0.562, "pravg": 0.188, "motion": 0.25}
    rows = [{"count": 25, "weight": None}, {"weight": 3, "blur": {"motion": 1}}, {"weight": 2, "blur": {"sharp": 1}}]
    shares = export._drawn_blurs({"mixture": rows, "epoch_windows": 100}, {"schedules": {"vla": 1}})
    assert shares == {"vla": 0.25, "motion": 0.45, "sharp": 0.3}
