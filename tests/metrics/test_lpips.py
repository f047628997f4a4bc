from __future__ import annotations

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import lpips as reference

from facedeblur.errors import UsageError
from facedeblur.metrics.lpips import LPIPS


@pytest.fixture(scope="module")
def alexnet():
    """AlexNet's feature layers as torchvision lays them out, with random weights."""
    torch.manual_seed(0)
    pool, relu = lambda: nn.MaxPool2d(3, 2), lambda: nn.ReLU()
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), relu(), pool(), nn.Conv2d(64, 192, 5, padding=2), relu(), pool(),
        nn.Conv2d(192, 384, 3, padding=1), relu(), nn.Conv2d(384, 256, 3, padding=1), relu(),
        nn.Conv2d(256, 256, 3, padding=1), relu(), pool(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(alexnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save({f"features.{name}": value for name, value in alexnet.state_dict().items()}, path)
    return path


@pytest.fixture
def images():
    sharp = torch.rand(3, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(sharp.shape, generator=torch.Generator().manual_seed(1))
    return (sharp + noise * torch.tensor([0.02, 0.1, 0.5])[:, None, None, None]).clamp(0, 1), sharp


def test_agrees_with_torchmetrics_on_the_same_alexnet(alexnet, file, images, monkeypatch):
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda net, pretrained=False: alexnet)
    theirs = reference._LPIPS(pretrained=True, net="alex").eval()
    with torch.no_grad():
        expected = theirs(*images, normalize=True).flatten()
    ours = LPIPS.load(file)(*images)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)
    assert (ours > 0).all() and ours[0] < ours[1] < ours[2]


def test_equal_images_are_at_distance_zero(file, images):
    lpips = LPIPS.load(file)
    assert torch.equal(lpips(images[1], images[1]), torch.zeros(3))
    torch.testing.assert_close(lpips(*images), lpips(*reversed(images)))


def test_what_does_not_fit_is_named(file, images, tmp_path):
    with pytest.raises(UsageError, match="nowhere.pth: no readable file"):
        LPIPS.load(tmp_path / "nowhere.pth")
    weights = torch.load(file, weights_only=True)
    del weights["features.6.bias"]
    torch.save(weights, tmp_path / "less.pth")
    with pytest.raises(UsageError, match=r"features\.6\.bias is missing, expected \(384,\)"):
        LPIPS.load(tmp_path / "less.pth")
    with pytest.raises(ValueError, match="at least 35"):
        LPIPS.load(file)(*(image[..., :20] for image in images))
