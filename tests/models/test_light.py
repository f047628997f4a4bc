"""The light encoder and decoder: shapes, the untrained generator as the identity, parameters counted by hand."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.build import build_networks
from facedeblur.models.generator import DeblurGenerator
from facedeblur.models.light import BLOCKS, LEVELS, LightDecoder, LightEncoder
from facedeblur.models.settings import ModelSettings


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_shapes():
    features = LightEncoder(6, width=8)(torch.zeros(2, 6, 64, 96))
    assert [tuple(f.shape) for f in features] == [(2, 8 * m, 32 >> i, 48 >> i) for i, m in enumerate(LEVELS)]
    image = LightDecoder(width=8)(features)
    assert image.shape == (2, 3, 64, 96) and image.dtype == torch.float32


def test_parameters():
    channels = [8 * multiple for multiple in LEVELS]
    pairs = list(zip(channels, channels[1:], strict=False))
    blocks = {c: BLOCKS * 2 * conv(c, c, 3) for c in channels}
    encoder = conv(4 * 6, 8, 3) + sum(conv(a, b, 2) for a, b in pairs) + sum(blocks.values())
    decoder = sum(conv(b, 4 * a, 1) + blocks[a] for a, b in pairs) + conv(8, 12, 3)
    assert (count(LightEncoder(6, 8)), count(LightDecoder(8))) == (encoder, decoder)


def test_an_untrained_generator_returns_its_input_and_learns():
    torch.manual_seed(0)
    generator = DeblurGenerator(LightEncoder(3, 8), LightDecoder(8), global_residual=True)
    blurry, sharp = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1
    assert torch.equal(generator(blurry), blurry)
    (generator(blurry) - sharp).abs().mean().backward()
    assert generator.decoder.to_image.weight.grad.abs().sum() > 0
    optimizer = torch.optim.Adam(generator.parameters(), 1e-3)
    first = (generator(blurry) - sharp).abs().mean().item()
    for _ in range(30):
        optimizer.zero_grad()
        loss = (generator(blurry) - sharp).abs().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.9 * first


def test_an_image_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    generator = DeblurGenerator(LightEncoder(3, 8), LightDecoder(8))
    torch.nn.init.normal_(generator.decoder.to_image.weight, 0, 0.1)
    images = torch.rand(3, 3, 32, 32)
    assert torch.allclose(generator(images)[1:2], generator(images[1:2]), atol=1e-6)


def test_other_sides_are_refused():
    with pytest.raises(ValueError, match="multiples of 16"):
        LightEncoder(3, 8)(torch.zeros(1, 3, 40, 64))


def test_built_with_both_plug_ins_around_one_decoder():
    settings = ModelSettings(
        image_size=128, generator="light", light_width=8, global_residual=True, hourglass_features=8, hourglass_stacks=1
    )
    networks = build_networks(settings)
    assert networks.identity.decoder is networks.generator.decoder
    assert networks.condition(torch.zeros(1, 3, 128, 128)).shape[1] == 6
    with pytest.raises(ValueError, match="generator"):
        ModelSettings(generator="heavy")
