"""A network of half the size as the first step: by hand what it returns, the settings it takes, its weights."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.fast import accelerated
from facedeblur.models.generator import DeblurGenerator
from facedeblur.models.half_size import HalfSizeStep
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import load_weights, shipped_state, write_weights

SMALLER = ModelSettings(image_size=128, generator="light", light_width=4, identity=False, two_step=False)


def settings(**changes: object) -> ModelSettings:
    own = {"image_size": 256, "generator": "naf", "naf_width": 4, "identity": False, "hourglass_stacks": 0}
    return ModelSettings(**{**own, "half_size": asdict(SMALLER), "global_residual": True, **changes})


class Brighter(nn.Module):
    """Adds what an image of half the size says, wherever it is in range."""

    def __init__(self, change: torch.Tensor) -> None:
        super().__init__()
        self.change = change

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.change


def test_a_constant_change_is_added_everywhere_and_limited():
    image = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    restored = HalfSizeStep(Brighter(torch.tensor(0.25))).restore(image)
    assert torch.allclose(restored, (image + 0.25).clamp(-1, 1), atol=1e-6)


def test_the_change_is_enlarged_and_the_image_keeps_what_the_small_network_cannot_see():
    # a pattern of period 2 has no area mean: the small network sees grey, and returns grey
    stripes = torch.tensor([-0.5, 0.5]).repeat(8).expand(1, 3, 16, 16)
    assert torch.equal(HalfSizeStep(nn.Identity()).restore(stripes), stripes)
    change = torch.zeros(1, 3, 8, 8)
    change[..., 3, 4] = 0.4  # lies between the pixels 6, 7 and 8, 9 of the large image
    restored = HalfSizeStep(Brighter(change)).restore(stripes)
    weights = torch.tensor([0.25, 0.75, 0.75, 0.25])
    wanted = stripes.clone()
    wanted[..., 5:9, 7:11] += 0.4 * torch.outer(weights, weights)
    assert torch.allclose(restored, wanted, atol=1e-6)


def test_what_the_small_network_sees_are_area_means():
    seen = []

    def note(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image

    image = torch.rand(1, 3, 6, 4)
    step = HalfSizeStep(nn.Identity())
    step.network.forward = note
    step.restore(image)
    assert torch.allclose(seen[0], image.reshape(1, 3, 3, 2, 2, 2).mean((3, 5)))
    with pytest.raises(ValueError, match="image of 7x4 pixels: both sides must be multiples of 2"):
        step.restore(torch.zeros(1, 3, 7, 4))


def test_the_correction_is_added_to_the_first_step_or_to_the_blurry_image():
    image = torch.cat([torch.full((1, 3, 4, 4), -0.5), torch.full((1, 3, 4, 4), 0.25)], dim=1)

    def decoder(features, stream):
        return torch.full((1, 3, 4, 4), 0.125)

    assert DeblurGenerator(lambda x: [x], decoder, True)(image).unique().tolist() == [-0.375]
    assert DeblurGenerator(lambda x: [x], decoder, True, "first_step")(image).unique().tolist() == [0.375]


def test_it_is_frozen_and_the_second_step_learns():
    networks = build_networks(settings(residual_on="first_step"))
    assert not any(p.requires_grad for p in networks.two_step.parameters())
    blurry = torch.rand(1, 3, 256, 256) * 2 - 1
    condition = networks.condition(blurry)
    assert condition.shape == (1, 6, 256, 256)
    assert torch.equal(condition[:, 3:], HalfSizeStep(networks.hourglass.network).restore(blurry))
    networks.generator(condition).mean().backward()
    assert all(p.grad is not None for p in networks.generator_parameters())


def test_weights_come_back_from_their_file(tmp_path):
    torch.manual_seed(3)
    networks = build_networks(settings(residual_on="first_step")).eval()
    write_weights(tmp_path / "large.safetensors", shipped_state(networks), settings(residual_on="first_step"), {})
    weights = load_weights(tmp_path / "large.safetensors")
    assert weights.settings.half_size["light_width"] == 4
    images = torch.rand(1, 3, 200, 256)
    wanted = NetworkDeblurrer(networks.generator, networks.hourglass)(images)
    assert torch.allclose(weights.deblurrer()(images), wanted, atol=2e-3)  # half precision
    change = wanted - images
    assert change.abs().mean() > 1e-4, "a network that changes nothing shows nothing"
    # the same by hand, from the small network alone: padded to 256, halved, its change enlarged
    small = build_networks(SMALLER).eval()
    small.generator.load_state_dict(networks.hourglass.network[-1].state_dict())
    blurry = F.pad(images, (0, 0, 28, 28), mode="replicate") * 2 - 1
    with torch.no_grad():
        half = F.interpolate(blurry, scale_factor=0.5, mode="area")
        first = F.interpolate(small.generator(half) - half, size=256, mode="bilinear") + blurry
        second = networks.generator(torch.cat([blurry, first.clamp(-1, 1)], 1))
    assert torch.allclose(wanted, ((second + 1) / 2)[..., 28:228, :].clamp(0, 1), atol=1e-5)


@pytest.mark.parametrize("fast", [False, True])
def test_images_too_small_for_the_whole_are_the_small_network_s(fast):
    torch.manual_seed(4)
    networks = build_networks(settings(residual_on="first_step")).eval()
    whole = NetworkDeblurrer(networks.generator, networks.hourglass, size=256)
    alone = NetworkDeblurrer(networks.hourglass.network)
    if fast:
        whole = accelerated(whole, "32")
    assert [whole.size_for(side) for side in (40, 128, 191, 192, 256, 900)] == [128, 128, 128, 256, 256, 256]
    for side in (100, 128, 160):
        images = torch.rand(1, 3, side, side)
        assert torch.allclose(whole(images), alone(images), atol=1e-5)
    images = torch.rand(1, 3, 256, 256)
    assert (whole(images) - alone(images)).abs().mean() > 1e-3
    assert NetworkDeblurrer(networks.generator, size=256).size_for(20) == 256, "no smaller one, no choice"


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        ({"image_size": 128}, "half_size.image_size: must be 64, half of image_size, got 128"),
        ({"two_step": False}, "half_size: must be left out without two_step"),
        ({"half_size": {"image_size": 100}}, "half_size.image_size: must be a multiple of 128, got 100"),
        ({"half_size": {"width": 1}}, "half_size.*width"),
        ({"half_size": asdict(settings()), "image_size": 512}, "half_size.half_size: must be empty"),
        ({"half_size": {}, "residual_on": "first_step"}, "residual_on: first_step needs two_step and a first step"),
        ({"residual_on": "sharp"}, "residual_on: must be one of blurry, first_step"),
    ),
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_there_is_no_hourglass_to_train():
    with pytest.raises(ValueError, match="half_size: is a trained network"):
        build_hourglass(settings())
