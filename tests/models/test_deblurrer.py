from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facedeblur.models.build import build_networks
from facedeblur.models.deblurrer import Blurred, HourglassDeblurrer, NetworkDeblurrer
from facedeblur.models.settings import ModelSettings


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    networks = build_networks(ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1))
    with torch.no_grad():
        # batch statistics that are not the initial ones, and weights large enough to see differences
        for parameter in networks.parameters():
            parameter.mul_(4)
        networks.generator(networks.condition(torch.rand(4, 3, 128, 128) * 2 - 1))
    return networks


@pytest.fixture
def deblurrers(networks):
    return {
        "network": NetworkDeblurrer(networks.generator, networks.hourglass),
        "hourglass": HourglassDeblurrer(networks.hourglass),
        "blurred": Blurred(),
    }


@pytest.fixture
def images():
    return torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(0))


NAMES = ["network", "hourglass", "blurred"]


@pytest.mark.parametrize("size", [(128, 128), (130, 100), (37, 200), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_any_size_returns_itself_in_range(deblurrers, name, size):
    images = torch.rand(2, 3, *size)
    restored = deblurrers[name](images)
    assert restored.shape == images.shape and restored.dtype == torch.float32
    assert restored.min() >= 0 and restored.max() <= 1 and not restored.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_results_do_not_depend_on_the_batch(deblurrers, name, images):
    together = deblurrers[name](images)
    alone = torch.cat([deblurrers[name](image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    torch.testing.assert_close(deblurrers[name](images.flip(0)).flip(0), together, rtol=0, atol=1e-4)


def test_network_deblurrer_is_the_network_between_two_conversions(networks, deblurrers, images):
    networks.train()
    restored = deblurrers["network"](images)
    expected = networks.generator(networks.condition(images * 2 - 1))
    assert not networks.generator.training
    torch.testing.assert_close(restored, (expected + 1) / 2)
    assert restored.std() > 0.01


def test_generator_without_hourglass(images):
    networks = build_networks(ModelSettings(image_size=128, base_width=2, two_step=False))
    assert NetworkDeblurrer(networks.generator)(images).shape == images.shape


def test_padding_repeats_borders_around_the_middle(deblurrers, images):
    small = images[..., :100, :90]
    padded = F.pad(small, (19, 19, 14, 14), mode="replicate")
    expected = deblurrers["network"](padded)[..., 14:114, 19:109]
    torch.testing.assert_close(deblurrers["network"](small), expected)


def test_buffers_and_inputs_stay_as_they_are(networks, deblurrers, images):
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    given = images.clone()
    for deblurrer in deblurrers.values():
        deblurrer(images).zero_()
    torch.testing.assert_close(networks.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(images, given)


def test_blurred_is_a_copy(images):
    assert torch.equal(Blurred()(images), images)


@pytest.mark.parametrize(
    "bad", [torch.zeros(3, 128, 128), torch.zeros(1, 1, 128, 128), torch.zeros(1, 3, 128, 128, dtype=torch.uint8)]
)
def test_other_shapes_and_integers_are_refused(deblurrers, bad):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\) floats"):
        deblurrers["network"](bad)
