"""The accelerated network is the same network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facedeblur.models import fast
from facedeblur.models.build import build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.fast import InBfloat16, ScaleShift, accelerated, folded
from facedeblur.models.layers import TiedBatchNorm2d
from facedeblur.models.settings import ModelSettings

SMALL = ModelSettings(128, base_width=4, hourglass_features=8, hourglass_stacks=1, identity=False)
CHANGES = (
    {},
    {"norm_order": "conv_bn_relu", "shortcut": "projection"},
    {"norm": "none", "global_residual": True},
    {"generator": "light", "global_residual": True},
    {"two_step": False},
    {"hourglass_stacks": 2, "hourglass_residual": True, "hourglass_head": "bilinear"},
)


def scramble(network: nn.Module) -> nn.Module:
    """Norms as after training: every statistic, gamma and beta its own."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if not parameter.any():  # layers that start at zero
            nn.init.normal_(parameter, std=0.02)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | TiedBatchNorm2d):
            module.running_mean.normal_(), module.running_var.uniform_(0.3, 3)
            nn.init.uniform_(module.weight, 0.3, 3), nn.init.normal_(module.bias)
    return network


def deblurrer(**change) -> NetworkDeblurrer:
    networks = scramble(build_networks(replace(SMALL, **change)))
    return NetworkDeblurrer(networks.generator, networks.hourglass)


@pytest.fixture(scope="module")
def images():
    """Their sides are no multiples of 128: the padding is part of what must not change."""
    noise = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    return F.interpolate(noise, size=(100, 130), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("change", CHANGES)
def test_in_float32_it_restores_the_same_images(images, change):
    plain = deblurrer(**change)
    expected = plain(images)
    assert expected.std() > 0.01  # no constant image, on which every network agrees
    torch.testing.assert_close(accelerated(plain, "32")(images), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(plain(images), expected, atol=0, rtol=0)  # the given one stays as it is


@pytest.mark.parametrize("change", CHANGES)
def test_in_bfloat16_it_stays_close(images, change):
    plain = deblurrer(**change)
    difference = (accelerated(plain, "bf16")(images) - plain(images)).abs()
    assert 0 < difference.mean() < 0.02  # random norms multiply roundings; trained ones do not


def test_no_norm_is_left_and_those_behind_convolutions_are_gone():
    network = folded(deblurrer().network)
    assert not any(isinstance(m, nn.BatchNorm2d | TiedBatchNorm2d) for m in network.modules())
    # Table 3: E2 ... E8 and F1 ... F7 apply it behind the ReLU, where it has to stay
    assert sum(isinstance(m, ScaleShift) for m in network[1].modules()) == 14
    assert (
        sum(isinstance(m, ScaleShift) for m in folded(deblurrer(norm_order="conv_bn_relu").network)[1].modules()) == 0
    )
    # each of the hourglass's residual blocks keeps the one before its first convolution
    hourglass = network[0].hourglass
    blocks = [m for m in hourglass.modules() if type(m).__name__ == "Residual"]
    assert sum(isinstance(m, ScaleShift) for m in hourglass.modules()) == len(blocks)


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16))
def test_scale_and_shift_against_batch_norm(dtype):
    norm = scramble(nn.BatchNorm2d(5)).eval()
    x = torch.randn(2, 5, 7, 6, generator=torch.Generator().manual_seed(2)).to(dtype)
    result = ScaleShift(norm)(x)
    assert result.dtype == dtype
    torch.testing.assert_close(
        result, norm(x.float()).to(dtype), atol=0.04 if dtype == torch.bfloat16 else 1e-5, rtol=0
    )


def test_auto_uses_bfloat16_where_it_is_native(monkeypatch):
    plain = deblurrer()
    for native in (True, False):
        monkeypatch.setattr(fast, "native_bf16", lambda _, native=native: native)
        assert any(isinstance(m, InBfloat16) for m in accelerated(plain).network.modules()) == native
    with pytest.raises(ValueError, match="precision: must be one of auto, 32, bf16, got 'fp8'"):
        accelerated(plain, "fp8")
