"""The encoder and decoder of NAF blocks: shapes, parameters counted by hand, what an untrained generator returns."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.build import build_networks
from facedeblur.models.generator import DeblurGenerator
from facedeblur.models.naf import NAFBlock
from facedeblur.models.naf_pair import DECODER_BLOCKS, ENCODER_BLOCKS, NAFDecoder, NAFEncoder
from facedeblur.models.settings import ModelSettings


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def naf_block(channels: int) -> int:
    """Two layer norms, conv1, the depthwise conv2, sca, conv3, conv4, conv5, beta and gamma."""
    norms, gains = 2 * 2 * channels, 2 * channels
    first = conv(channels, 2 * channels, 1) + 2 * channels * (9 + 1) + 2 * conv(channels, channels, 1)
    return norms + gains + first + conv(channels, 2 * channels, 1) + conv(channels, channels, 1)


def test_shapes():
    features = NAFEncoder(6, width=8)(torch.zeros(2, 6, 64, 96))
    assert [tuple(f.shape) for f in features] == [(2, 8 << i, 32 >> i, 48 >> i) for i in range(4)]
    image = NAFDecoder(width=8)(features)
    assert image.shape == (2, 3, 64, 96) and image.dtype == torch.float32


def test_parameters():
    channels = [8, 16, 32, 64]
    encoder = conv(4 * 6, 8, 3) + sum(conv(c, 2 * c, 2) for c in channels[:-1])
    encoder += sum(n * naf_block(c) for n, c in zip(ENCODER_BLOCKS, channels, strict=True))
    decoder = conv(8, 12, 3) + sum(2 * c * 4 * c for c in channels[:-1])
    decoder += sum(n * naf_block(c) for n, c in zip(DECODER_BLOCKS, channels[-2::-1], strict=True))
    assert (count(NAFEncoder(6, 8)), count(NAFDecoder(8))) == (encoder, decoder)


def test_an_untrained_generator_nearly_returns_its_input_and_learns():
    torch.manual_seed(0)
    generator = DeblurGenerator(NAFEncoder(3, 8), NAFDecoder(8), global_residual=True)
    blurry, sharp = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1
    assert (generator(blurry) - blurry).abs().mean() < 0.05
    optimizer = torch.optim.AdamW(generator.parameters(), 2e-3)
    first = (generator(blurry) - sharp).abs().mean().item()
    for _ in range(30):
        optimizer.zero_grad()
        loss = (generator(blurry) - sharp).abs().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.9 * first


def test_an_image_does_not_depend_on_its_batch(device):
    torch.manual_seed(0)
    generator = DeblurGenerator(NAFEncoder(3, 8), NAFDecoder(8))
    torch.nn.init.normal_(generator.decoder.to_image.weight, 0, 0.1)
    for block in generator.modules():  # the branches of untrained blocks count for nothing
        if isinstance(block, NAFBlock):
            torch.nn.init.ones_(block.beta)
    images, generator = torch.rand(3, 3, 32, 32).to(device), generator.to(device)
    assert torch.allclose(generator(images)[1:2], generator(images[1:2]), atol=1e-5)


def test_other_sides_are_refused():
    with pytest.raises(ValueError, match="multiples of 16"):
        NAFEncoder(3, 8)(torch.zeros(1, 3, 40, 64))


def test_built_with_both_plug_ins_around_one_decoder():
    settings = ModelSettings(
        image_size=128, generator="naf", naf_width=8, global_residual=True, hourglass_features=8, hourglass_stacks=1
    )
    networks = build_networks(settings)
    assert networks.identity.decoder is networks.generator.decoder
    assert networks.condition(torch.zeros(1, 3, 128, 128)).shape[1] == 6
    with pytest.raises(ValueError, match="generator"):
        ModelSettings(generator="heavy")
