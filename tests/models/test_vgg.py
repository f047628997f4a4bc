"""VGG19's first layers: a file in torchvision's layout, features by hand, and files that are none."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facedeblur.errors import UsageError
from facedeblur.models.vgg import VggFeatures, perceptual_loss

LAYERS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """torchvision's `vgg19-dcbb9e9d.pth`: later layers and the classifier come with it."""
    generator = torch.Generator().manual_seed(0)
    tensors = {"features.16.weight": torch.zeros(256, 256, 3, 3), "classifier.6.bias": torch.zeros(1000)}
    for index, (inputs, outputs) in LAYERS.items():
        filters = torch.randn(outputs, inputs, 3, 3, generator=generator)
        tensors[f"features.{index}.weight"] = filters / (3 * inputs**0.5)
        tensors[f"features.{index}.bias"] = torch.randn(outputs, generator=generator)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(tensors, path)
    return path


def test_features_are_those_of_conv3_3_before_its_relu(file):
    tensors, image = torch.load(file, weights_only=True), torch.rand(1, 3, 16, 16)
    x = image
    for index in LAYERS:
        if index in (5, 10):
            x = F.max_pool2d(x, 2)
        x = F.conv2d(x, tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"], padding=1)
        x = x.relu() if index != 14 else x
    assert torch.allclose(VggFeatures(file)(image), x, atol=1e-4) and x.min() < 0


def test_the_loss_moves_the_output_alone(file):
    features = VggFeatures(file)
    output, sharp = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8, requires_grad=True)
    perceptual_loss(features, output, sharp).backward()
    assert output.grad.abs().sum() > 0 and sharp.grad is None
    assert not any(parameter.requires_grad for parameter in features.parameters())
    assert perceptual_loss(features, sharp, sharp).item() == 0


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        VggFeatures(tmp_path / "absent.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "short.pth")
    with pytest.raises(UsageError, match=r"it has no features.0.bias"):
        VggFeatures(tmp_path / "short.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(UsageError, match="not readable"):
        VggFeatures(tmp_path / "text.pth")
