"""Nah's three-scale network: parameters counted by hand, the pyramid against scikit-image, what zero filters give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.transform import pyramid_gaussian

from facedeblur.models.nah17 import Critic, MultiScaleNet, multi_scale_l1, multi_scale_mse, pyramid


def conv(inputs: int, outputs: int, bias: bool = True) -> int:
    return 25 * inputs * outputs + (outputs if bias else 0)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def small() -> MultiScaleNet:
    torch.manual_seed(0)
    return MultiScaleNet(width=4, blocks=2)


def test_parameters_of_the_paper():
    body = 19 * 2 * conv(64, 64) + conv(64, 3)
    by_hand = (conv(3, 64) + body) + 2 * (conv(6, 64) + body) + 2 * conv(3, 12)
    with torch.device("meta"):
        assert count(MultiScaleNet()) == by_hand == 11_721_321


def test_parameters_of_the_discriminator():
    pairs = ((3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512))
    by_hand = sum(conv(a, b, bias=False) for a, b in (*pairs, (512, 512))) + 512
    with torch.device("meta"):
        assert count(Critic()) == by_hand


def test_the_discriminator_gives_one_logit_for_256_pixels():
    assert Critic(4)(torch.zeros(2, 3, 256, 256)).shape == (2, 1, 1, 1)
    assert Critic(4)(torch.zeros(1, 3, 128, 128)).shape == (1, 1, 1, 1)


def test_pyramid_is_that_of_scikit_image():
    image = np.random.default_rng(0).random((24, 16, 3))
    expected = list(pyramid_gaussian(image, max_layer=2, channel_axis=-1))
    for level, wanted in zip(pyramid(torch.from_numpy(image).permute(2, 0, 1)[None]), expected, strict=True):
        np.testing.assert_allclose(level[0].permute(1, 2, 0).numpy(), wanted, atol=1e-7)


def test_pyramid_of_an_image_narrower_than_the_filter():
    image = np.random.default_rng(1).random((4, 4, 1))
    expected = list(pyramid_gaussian(image, max_layer=2, channel_axis=-1))
    for level, wanted in zip(pyramid(torch.from_numpy(image).permute(2, 0, 1)[None]), expected, strict=True):
        np.testing.assert_allclose(level[0].permute(1, 2, 0).numpy(), wanted, atol=1e-7)


def test_results_of_three_sizes_finest_first():
    outputs = small()(torch.zeros(2, 3, 16, 24))
    assert [tuple(output.shape) for output in outputs] == [(2, 3, 16, 24), (2, 3, 8, 12), (2, 3, 4, 6)]


def test_zero_last_filters_give_middle_grey():
    network = small()
    for body in network.body_models:
        torch.nn.init.zeros_(body.body[-1].weight)
        torch.nn.init.constant_(body.body[-1].bias, 12.75)
    outputs = network(torch.rand(1, 3, 8, 8) * 2 - 1)
    assert all(torch.allclose(output, torch.full_like(output, 0.1)) for output in outputs)


def test_the_finer_scale_sees_the_coarser_result():
    network, blurry = small(), torch.rand(1, 3, 16, 16)
    before = network(blurry)[0]
    torch.nn.init.constant_(network.body_models[2].body[-1].bias, 30.0)
    assert (network(blurry)[0] - before).abs().max() > 1e-4


def test_losses_by_hand():
    sharp = torch.full((1, 3, 8, 8), 0.2)
    outputs = [goal + 0.4 for goal in pyramid(sharp)]  # 0.2 in units of [0, 1]
    assert multi_scale_mse(outputs, sharp).item() == pytest.approx(3 * 0.2**2 / 2, rel=1e-5)
    assert multi_scale_l1(outputs, sharp).item() == pytest.approx(3 * 0.4, rel=1e-5)


def test_every_parameter_learns():
    network = small()
    multi_scale_mse(network(torch.rand(1, 3, 8, 8)), torch.rand(1, 3, 8, 8)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_other_sides_are_refused():
    with pytest.raises(ValueError, match="multiples of 4"):
        small()(torch.zeros(1, 3, 10, 8))
