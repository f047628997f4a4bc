"""The whole method behind the Deblurrer interface, with a model.mat in the author's layout and with a run of ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.io import savemat

from facedeblur.baselines.chakrabarti16 import Chakrabarti16, read_matlab
from facedeblur.errors import UsageError
from facedeblur.models.chakrabarti16 import LAYERS, PATCH, PatchNet

QUICK = {"side": 5, "stride": 16, "patch_stride": 4, "regularisers": (64.0,), "steps": 8}


def by_columns(rows: torch.Tensor) -> np.ndarray:
    return rows.unflatten(1, (PATCH, PATCH)).mT.flatten(1).numpy()


def coarse(values: torch.Tensor) -> torch.Tensor:
    """Within .001, and small when compressed: the transform of a patch takes 71 MB otherwise."""
    return (values * 512).round() / 512


def save(path, content: dict) -> None:
    savemat(path, content, do_compression=True)


def cells(arrays: list) -> np.ndarray:
    result = np.empty((len(arrays), 1), dtype=object)
    for index, one in enumerate(arrays):
        result[index, 0] = one
    return result


def content(network: PatchNet) -> dict:
    """`tfm`, `net` and `wts` as the author's training code saves them: twelve cells, the last of them empty."""
    bands = [network.get_buffer(f"band{number}") for number in (1, 2, 3, 4)]
    widths = {f"band{n}": len(band) for n, band in enumerate(bands, 1)}
    weights = []
    for name, before in LAYERS.items():
        layer = network.layers[name]
        widths[name] = layer.out_features
        matrices = layer.weight.detach().split([widths[one] for one in before], dim=1)
        weights.append(cells([*(one.numpy() for one in matrices), layer.bias.detach().numpy()[:, None]]))
    transform = {"inp": cells([by_columns(band) for band in bands]), "full": by_columns(coarse(network.full))}
    transform["lpos"] = np.arange(1, PATCH**2 + 1)[:, None]
    return {"tfm": transform, "net": cells(list(LAYERS)), "wts": cells([*weights, np.zeros((0, 0))])}


@pytest.fixture(scope="module")
def network() -> PatchNet:
    """A network that copies what it sees: its filter is 1 at every frequency, but for a small error."""
    torch.manual_seed(0)
    network = PatchNet(units=2)
    torch.nn.init.normal_(network.layers["output"].weight, 0, 0.01)
    network.layers["output"].bias.data.view(-1, 2)[:, 0] = 1
    for number in (1, 2, 3, 4):
        band = network.get_buffer(f"band{number}")
        band.copy_(coarse(band))
    return network


@pytest.fixture(scope="module")
def model_mat(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("chakrabarti") / "model.mat"
    save(path, content(network))
    assert path.stat().st_size < 3e6
    return path


@pytest.fixture(scope="module")
def deblurrer(model_mat) -> Chakrabarti16:
    return Chakrabarti16(model_mat, **QUICK)


def test_the_authors_file_gives_the_network(model_mat, network, deblurrer):
    tensors = read_matlab(model_mat)
    assert set(tensors) == set(network.state_dict())
    assert all(torch.equal(tensors[key], value) for key, value in network.state_dict().items())
    patches = torch.rand(2, PATCH, PATCH)
    assert torch.equal(deblurrer.network(patches), network(patches))
    assert deblurrer.origin == "authors' weights"


def test_a_sharp_picture_stays_nearly_as_it_is(deblurrer):
    generator = torch.Generator().manual_seed(0)
    blocks = torch.rand(1, 3, 3, 3, generator=generator).repeat_interleave(20, 2).repeat_interleave(20, 3)
    before = blocks.clone()
    result = deblurrer.deconvolve(blocks)
    assert torch.equal(blocks, before) and result.images.shape == blocks.shape
    assert result.kernels.shape == (1, 1, 5, 5) and result.kernels[0, 0, 2, 2] > 0.8
    assert (result.images - blocks).abs().mean() < 0.03


def test_degenerate_images_are_finite_and_leave_the_others_alone(deblurrer):
    images = torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(2))
    images[0], images[1], images[2] = 0, 1, float("nan")
    restored = deblurrer(images)
    assert torch.isfinite(restored).all() and restored.min() >= 0 and restored.max() <= 1
    assert torch.allclose(restored[3:], deblurrer(images[3:]), atol=1e-5)
    assert torch.isfinite(deblurrer(torch.rand(1, 3, 1, 9))).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (10, 10), (12, 14)])
def test_tiny_images_come_back_with_the_kernels_that_suit_them(model_mat, size):
    method = Chakrabarti16(model_mat, **{**QUICK, "side": None})
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    restored = method(images)
    assert restored.shape == images.shape and torch.isfinite(restored).all()


def test_the_kernels_side_follows_the_image(deblurrer):
    assert [deblurrer.default_side((side, side + 7)) for side in (128, 256, 10)] == [25, 51, 3]


def test_a_run_of_ours(network, tmp_path):
    tensors = {f"generator.{key}": value for key, value in network.state_dict().items()}
    state = {"format": 1, "stage": "chakrabarti16", "networks": tensors, "average": None}
    torch.save(state, tmp_path / "last.ckpt")
    assert Chakrabarti16(tmp_path / "last.ckpt").origin == "retrained"
    # the author's tensors, saved anew under the names used here, are still the author's
    torch.save(network.state_dict(), tmp_path / "model.pt")
    assert Chakrabarti16(tmp_path / "model.pt").origin == "authors' weights"


def test_files_that_are_none(network, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        Chakrabarti16(tmp_path / "absent.mat")
    path = tmp_path / "m.mat"
    path.write_bytes(b"hello" * 100)
    with pytest.raises(UsageError, match="not readable as a MATLAB file"):
        Chakrabarti16(path)
    savemat(path, {"x": 1})
    with pytest.raises(UsageError, match="not the author's model.mat: it has no tfm"):
        Chakrabarti16(path)
    told = content(network)
    told["tfm"]["inp"][1, 0] = np.zeros((208, 100), np.float32)
    save(path, told)
    with pytest.raises(UsageError, match=r"a transform is \(208, 100\), not \(n, 4225\)"):
        Chakrabarti16(path)
    told = content(network)
    told["tfm"]["full"] = told["tfm"]["full"][:2]
    save(path, told)
    with pytest.raises(UsageError, match="tfm.full is another transform"):
        Chakrabarti16(path)
    told["wts"][3, 0][0, 0] = np.zeros((3, 4), np.float32)
    save(path, told)
    with pytest.raises(UsageError, match=r"wts of l2_1: a matrix \(3, 4\) beside 4 biases"):
        Chakrabarti16(path)
