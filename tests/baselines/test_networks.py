"""Authors' files: fixtures in their very layouts load and restore; files of other networks are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facedeblur.baselines.authors_files import identify, read_network
from facedeblur.baselines.chakrabarti16 import Chakrabarti16
from facedeblur.baselines.networks import Kupyn17, Nafnet, Nah17
from facedeblur.errors import UsageError
from facedeblur.models.kupyn17 import Critic, ResnetGenerator
from facedeblur.models.nafnet import NAFNet
from facedeblur.models.nah17 import MultiScaleNet


def seeded(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def nah17_network() -> MultiScaleNet:
    return seeded(MultiScaleNet(width=4, blocks=2))


def kupyn17_network() -> ResnetGenerator:
    return seeded(ResnetGenerator(width=4, blocks=9))


def nafnet_network() -> NAFNet:
    return seeded(NAFNet(4, (1, 2), 1, (1, 1)))


def nah17_file(path):
    """DeepDeblur-PyTorch: {'G': tensors, 'D': tensors}, of a network that was trained in parallel."""
    tensors = {f"module.{key}": value for key, value in nah17_network().state_dict().items()}
    torch.save({"G": tensors, "D": {"dense.weight": torch.zeros(1, 8, 1, 1)}}, path)


def kupyn17_file(path):
    """`latest_net_G.pth` of 2017: bare tensors, and running statistics that instance norm once kept."""
    tensors = dict(kupyn17_network().state_dict())
    for layer in (2, 5, 8, 20, 23):
        for kind in ("mean", "var"):
            tensors[f"model.{layer}.running_{kind}"] = torch.ones(4)
    for block in range(10, 19):
        for kind in ("mean", "var"):
            tensors[f"model.{block}.conv_block.2.running_{kind}"] = torch.ones(16)
            tensors[f"model.{block}.conv_block.7.running_{kind}"] = torch.ones(16)
    torch.save(tensors, path)


def nafnet_file(path):
    """BasicSR: {'params': tensors}."""
    torch.save({"params": nafnet_network().state_dict()}, path)


METHODS = {
    "nah17": (Nah17, nah17_network, nah17_file),
    "kupyn17": (Kupyn17, kupyn17_network, kupyn17_file),
    "nafnet": (Nafnet, nafnet_network, nafnet_file),
}


@pytest.fixture(params=METHODS)
def method(request, tmp_path):
    cls, network, write = METHODS[request.param]
    write(tmp_path / "authors.pth")
    return cls(tmp_path / "authors.pth"), network().eval()


def test_restores_as_the_network_itself(method):
    deblurrer, network = method
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        if isinstance(deblurrer, Nafnet):
            expected = network(images)
        else:
            output = network(2 * images - 1)
            expected = ((output[0] if isinstance(output, list) else output) + 1) / 2
    assert torch.allclose(deblurrer(images), expected.clamp(0, 1), atol=1e-5)
    assert deblurrer.origin == "authors' weights"


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5), (33, 18)])
def test_any_size_and_type(method, size):
    deblurrer, _ = method
    for dtype in (torch.float32, torch.float64):
        images = torch.rand(2, 3, *size, dtype=dtype)
        before = images.clone()
        restored = deblurrer(images)
        assert restored.shape == images.shape and restored.dtype == dtype
        assert torch.isfinite(restored).all() and restored.min() >= 0 and restored.max() <= 1
        assert torch.equal(images, before)


def test_degenerate_images_are_finite_and_leave_the_others_alone(method):
    deblurrer, _ = method
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    images[0], images[1], images[2], images[3] = 0, 1, 0.5, float("nan")
    restored = deblurrer(images)
    assert torch.isfinite(restored).all()
    assert torch.allclose(restored[4:], deblurrer(images[4:]), atol=1e-5)


def test_a_result_does_not_depend_on_the_chunks(method, monkeypatch):
    deblurrer, _ = method
    images = torch.rand(5, 3, 16, 16)
    whole = deblurrer(images)
    monkeypatch.setattr("facedeblur.baselines.networks.PIXELS", 2 * 16 * 16)
    assert torch.allclose(deblurrer(images), whole, atol=1e-5)
    assert deblurrer(images[:0]).shape == (0, 3, 16, 16)


def test_the_wrong_shape_is_named(method):
    deblurrer, _ = method
    for images in (torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\)"):
            deblurrer(images)


def test_files_of_other_networks_are_refused_by_name(tmp_path):
    for name, (cls, _, _) in METHODS.items():
        for other, (_, _, write) in METHODS.items():
            if other != name:
                write(tmp_path / "other.pth")
                with pytest.raises(UsageError, match=f"holds {other}, not {name}"):
                    cls(tmp_path / "other.pth")
    torch.save(Critic(4).state_dict(), tmp_path / "latest_net_D.pth")
    with pytest.raises(UsageError, match="holds a PatchGAN critic, not kupyn17"):
        Kupyn17(tmp_path / "latest_net_D.pth")
    torch.save({"patch_embed.proj.weight": torch.zeros(1), "encoder_level1.0.norm1.body.weight": torch.zeros(1)},
               tmp_path / "r.pth")  # fmt: skip
    with pytest.raises(UsageError, match="holds Restormer, not nafnet"):
        Nafnet(tmp_path / "r.pth")
    torch.save({"a.weight": torch.zeros(1)}, tmp_path / "unknown.pth")
    with pytest.raises(UsageError, match="unknown network .*a.weight"):
        Nah17(tmp_path / "unknown.pth")


def test_blocks_of_one_convolution_are_refused(tmp_path):
    tensors = {k: v for k, v in kupyn17_network().state_dict().items() if "conv_block.6" not in k}
    torch.save(tensors, tmp_path / "head.pth")
    with pytest.raises(UsageError, match="one convolution"):
        Kupyn17(tmp_path / "head.pth")


def test_blocks_without_dropout_are_renumbered(tmp_path):
    network = kupyn17_network()
    tensors = {key.replace("conv_block.6", "conv_block.5"): value for key, value in network.state_dict().items()}
    torch.save(tensors, tmp_path / "plain.pth")
    kupyn17_file(tmp_path / "usual.pth")
    plain, usual = Kupyn17(tmp_path / "plain.pth"), Kupyn17(tmp_path / "usual.pth")
    assert plain.fingerprint == usual.fingerprint


def test_a_missing_or_misshapen_tensor_is_named(tmp_path):
    tensors = nafnet_network().state_dict()
    tensors["encoders.1.0.conv3.weight"] = torch.zeros(8, 4, 1, 1)
    torch.save({"params": tensors}, tmp_path / "a.pth")
    with pytest.raises(UsageError, match="encoders.1.0.conv3.weight is"):
        Nafnet(tmp_path / "a.pth")
    del tensors["encoders.1.0.conv3.weight"]
    torch.save({"params": tensors}, tmp_path / "a.pth")
    with pytest.raises(UsageError, match="it has no encoders.1.0.conv3.weight"):
        Nafnet(tmp_path / "a.pth")


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        Nah17(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UsageError, match="not readable"):
        Nah17(tmp_path / "text.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(UsageError, match="no tensors by name, but epoch"):
        Nah17(tmp_path / "empty.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UsageError, match="holds a list"):
        Nah17(tmp_path / "list.pt")


def test_code_in_a_file_is_refused_not_run(tmp_path):
    torch.save(nafnet_network(), tmp_path / "pickled.pth")
    with pytest.raises(UsageError, match="holds code, which is never run; .* safetensors") as refusal:
        Nafnet(tmp_path / "pickled.pth")
    assert "weights_only" not in str(refusal.value)  # torch's advice is to run the code

    class Touch:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    torch.save({"G": Touch()}, tmp_path / "model-1000.pt")
    for cls in (Nah17, Kupyn17, Nafnet, Chakrabarti16):
        with pytest.raises(UsageError, match="holds code, which is never run"):
            cls(tmp_path / "model-1000.pt")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", METHODS)
def test_a_file_cut_short_is_refused(tmp_path, name):
    cls, _, write = METHODS[name]
    write(tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"cut.pt: not readable as a file of tensors"):
            cls(tmp_path / "cut.pt")


@pytest.mark.parametrize(
    ("name", "key", "tensor"),
    [
        ("nah17", "body_models.0.body.0.weight", torch.tensor(1.0)),
        ("nah17", "body_models.0.body.last.weight", torch.zeros(4)),
        ("kupyn17", "model.1.weight", torch.tensor(1.0)),
        ("nafnet", "intro.weight", torch.tensor(1.0)),
        ("nafnet", "downs.2.weight", torch.zeros(4)),
    ],
)
def test_a_file_whose_sizes_cannot_be_read_off_is_of_another_architecture(tmp_path, name, key, tensor):
    cls, network, _ = METHODS[name]
    torch.save({**network().state_dict(), key: tensor}, tmp_path / "odd.pt")
    with pytest.raises(UsageError, match="odd.pt: of another architecture: "):
        cls(tmp_path / "odd.pt")


def test_safetensors_and_wrappers(tmp_path):
    tensors = nafnet_network().state_dict()
    save_file(tensors, tmp_path / "n.safetensors")
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{key}": value for key, value in tensors.items()}}, tmp_path / "n.pt"
    )
    assert Nafnet(tmp_path / "n.safetensors").fingerprint == Nafnet(tmp_path / "n.pt").fingerprint
    assert identify(tensors) == "nafnet" and identify({}) is None


def test_a_run_of_ours_says_that_it_was_retrained(tmp_path):
    tensors = {f"generator.{key}": value for key, value in nah17_network().state_dict().items()}
    folder = tmp_path / "outputs/nah17/demo-s0/checkpoints"
    folder.mkdir(parents=True)
    torch.save({"format": 1, "stage": "nah17", "networks": tensors, "average": None}, folder / "last.ckpt")
    assert Nah17(folder.parent).origin == "retrained"
    with pytest.raises(UsageError, match="a run of stage nah17, not of kupyn17"):
        read_network(folder.parent, "kupyn17")
