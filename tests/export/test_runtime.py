"""Exported networks restore what the network restores, at sizes and batches they were not exported with."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from facedeblur.errors import UsageError
from facedeblur.export import runtime
from facedeblur.export.command import main
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import load_weights, shipped_state, write_weights

needs_onnx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxruntime")),
    reason="the extra `export` (onnx, onnxruntime) is not installed",
)
CHANGES = ({}, {"norm_order": "conv_bn_relu", "two_step": False}, {"generator": "light", "global_residual": True})


@pytest.fixture
def oblong():
    """Three images whose sides are no multiples of anything."""
    noise = torch.rand(3, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(noise, size=(100, 130), mode="bicubic").clamp(0, 1)


@needs_onnx
@pytest.mark.parametrize("change", CHANGES)
def test_onnx_runtime_restores_the_same_images(make_run, small, scramble, tmp_path, oblong, change, capsys):
    from facedeblur.models.onnx_runtime import OnnxDeblurrer

    settings = replace(small, **change)
    networks = scramble(settings)
    file = tmp_path / "network.onnx"
    assert main([str(make_run(networks, settings)), "--format", "onnx", "-o", str(file)]) == 0
    assert "differs from the network by at most" in capsys.readouterr().out
    exported = OnnxDeblurrer(file)
    assert exported.size == 128
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(oblong)
    assert expected.std() > 1e-3
    torch.testing.assert_close(exported(oblong), expected, atol=1e-4, rtol=0)


def test_of_two_networks_in_one_file_the_larger_is_written(tmp_path):
    """Its first step, the network of half the size, is in the file; as a network of its own it is not."""
    smaller = ModelSettings(generator="light", light_width=4, image_size=128, identity=False, hourglass_stacks=0)
    settings = ModelSettings(
        generator="naf",
        naf_width=4,
        image_size=256,
        identity=False,
        hourglass_stacks=0,
        half_size=asdict(smaller),
        global_residual=True,
        residual_on="first_step",
    )
    torch.manual_seed(2)
    networks = build_networks(settings)
    with torch.no_grad():
        networks.generator.decoder.to_image.weight.mul_(20)  # else both change next to nothing
    weights, file = tmp_path / "large.safetensors", tmp_path / "network.pt"
    write_weights(weights, shipped_state(networks), settings, {})
    assert runtime.write_runtime(str(weights), "torchscript", file) < 1e-4
    images = torch.rand(1, 3, 256, 256)
    restored = torch.jit.load(str(file))(images)
    loaded = load_weights(weights).deblurrer()
    torch.testing.assert_close(restored, loaded(images), atol=1e-4, rtol=0)
    assert (restored - loaded.smaller(images)).abs().max() > 1e-2


@needs_onnx
def test_others_read_it_without_facedeblur(make_run, networks, images, tmp_path):
    import onnxruntime

    file = tmp_path / "network.onnx"
    runtime.write_runtime(str(make_run(networks)), "onnx", file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (restored,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    np.testing.assert_allclose(restored, expected.numpy(), atol=1e-4)
    told = json.loads(session.get_modelmeta().custom_metadata_map["facedeblur"])
    assert told["multiple"] == 128 and told["provenance"]["generator_steps"] == 7


def test_torchscript_restores_the_same_images(make_run, networks, tmp_path):
    file = tmp_path / "network.pt"
    assert main([str(make_run(networks)), "--format", "torchscript", "-o", str(file)]) == 0
    told = {"facedeblur": ""}
    module = torch.jit.load(str(file), _extra_files=told)
    images = torch.rand(3, 3, 256, 128, generator=torch.Generator().manual_seed(2))
    expected = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    torch.testing.assert_close(module(images), expected, atol=1e-4, rtol=0)
    assert json.loads(told["facedeblur"])["model"]["base_width"] == 2


def test_what_differs_is_not_written(make_run, networks, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime.UnitRange, "forward", lambda self, image: self.network(image))  # forgets the range
    with pytest.raises(UsageError, match=r"network\.pt: its images differ by .* nothing written"):
        runtime.write_runtime(str(make_run(networks)), "torchscript", tmp_path / "network.pt")
    assert not list(tmp_path.glob("*network*"))


def test_what_cannot_be_exported_is_named(make_run, small, tmp_path):
    folder = make_run(build_hourglass(small), stage="hourglass")
    for arguments, message in (
        (["--format", "torchscript", "-o", str(tmp_path / "x.pt")], "only the hourglass stage"),
        (["--format", "torchscript", "-o", str(tmp_path / "x.onnx")], r"<name>\.pt"),
        (["--format", "onnx", "--register", "final-small-v1"], "--register takes weights"),
    ):
        with pytest.raises(UsageError, match=message):
            main([str(folder), *arguments])


@needs_onnx
def test_other_files_are_refused(tmp_path):
    from facedeblur.models.onnx_runtime import OnnxDeblurrer

    file = tmp_path / "other.onnx"
    file.write_bytes(b"not a network")
    with pytest.raises(UsageError, match=r"other\.onnx: not a network that facedeblur exported"):
        OnnxDeblurrer(file)
