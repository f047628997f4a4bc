from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facedeblur.models.discriminator import Discriminator


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 2, 3, 128, 128, generator=generator) * 2 - 1


def test_features_are_what_the_last_layer_sees(images):
    discriminator = Discriminator(width=4).eval()
    logits, features = discriminator(*images)
    torch.testing.assert_close(logits, discriminator.head(features))
    # LeakyReLU of .2: negative values survive, at a fifth
    assert features.min() < 0 < features.max()
    before = discriminator.trunk[:-1](torch.cat([images[1], images[0]], dim=1))
    torch.testing.assert_close(features, F.leaky_relu(before, 0.2))


def test_a_logit_sees_70x70_pixels(images):
    discriminator = Discriminator(width=2, conditional=False).eval()
    image = torch.zeros(1, 3, 128, 128, requires_grad=True)
    discriminator(image)[0][0, 0, 7, 7].backward()
    rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    columns = image.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == 70


def test_conditional_looks_at_the_blurry_image_and_unconditional_does_not(images):
    candidate, blurry = images
    conditional, free = Discriminator(4).eval(), Discriminator(4, conditional=False).eval()
    assert not torch.equal(conditional(candidate, blurry)[0], conditional(candidate, -blurry)[0])
    assert torch.equal(free(candidate, blurry)[0], free(candidate)[0])
    with pytest.raises(ValueError, match="needs the blurry image"):
        conditional(candidate)


def test_parameters_by_hand():
    """Five convolutions of 4x4, the batch norms' scale and shift behind the second to the fourth."""
    convolutions = (16 * 6 + 1) * 2 + (16 * 2 + 1) * 4 + (16 * 4 + 1) * 8 + (16 * 8 + 1) * 16 + (16 * 16 + 1)
    assert sum(p.numel() for p in Discriminator(2).parameters()) == convolutions + 2 * (4 + 8 + 16)


def test_the_first_layer_does_not_look_at_the_rest_of_a_batch(images):
    discriminator = Discriminator(4).train()
    both = torch.cat([images[1], images[0]], dim=1)
    first, rest = discriminator.trunk[:2], discriminator.trunk[2:]
    torch.testing.assert_close(first(both)[:1], first(both[:1]))
    assert not torch.allclose(rest(first(both))[:1], rest(first(both[:1])))  # batch norm does


def test_channels_last_and_bfloat16_survive(images):
    discriminator = Discriminator(16).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        _, features = discriminator(*(i.to(memory_format=torch.channels_last) for i in images))
    assert features.dtype == torch.bfloat16
    assert features.is_contiguous(memory_format=torch.channels_last)
