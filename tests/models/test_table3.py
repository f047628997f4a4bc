"""Shapes and parameter counts at the paper's scale, counted by hand; the meta device needs neither memory nor time."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.build import build_networks
from facedeblur.models.decoder import Decoder
from facedeblur.models.discriminator import Discriminator
from facedeblur.models.encoder import Encoder
from facedeblur.models.hourglass import StackedHourglass
from facedeblur.models.settings import ModelSettings

ENCODER = (64, 128, 256, 512, 512, 512, 512, 256)
DECODER = (1024, 512, 512, 512, 256, 128, 64, 3)
SIDES = (256, 128, 64, 32, 16, 8, 4, 2)


@pytest.fixture(autouse=True)
def on_meta():
    with torch.device("meta"):
        yield


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def conv(kernel, into, out):
    return kernel * kernel * into * out + out


def bn(channels):
    return 2 * channels


def residual(into, out):
    half = out // 2
    branch = bn(into) + conv(1, into, half) + bn(half) + conv(3, half, half) + bn(half) + conv(1, half, out)
    return branch + (conv(1, into, out) if into != out else 0)


@pytest.mark.parametrize(("channels", "published"), [(6, 15_480_768), (3, 15_477_696)])
def test_encoder_parameters(channels, published):
    by_hand = conv(4, channels, 64)
    for into, out in zip(ENCODER[:6], ENCODER[1:7], strict=True):
        by_hand += conv(4, into, out) + bn(out)
    by_hand += conv(1, 512, 256) + bn(256)
    assert parameters(Encoder(channels)) == by_hand == published


def test_encoder_shapes():
    features = Encoder(6)(torch.empty(2, 6, 256, 256))
    expected = [(2, channels, side, side) for channels, side in zip(ENCODER, SIDES, strict=True)]
    assert [tuple(f.shape) for f in features] == expected


def test_decoder_parameters():
    inputs = (256, 1024, 512, 512, 512 + 512, 256, 128 + 128)
    by_hand = conv(4, 64, 3)
    for number, (into, out) in enumerate(zip(inputs, DECODER[:7], strict=True), start=1):
        by_hand += conv(1 if number == 1 else 4, into, out) + bn(out)
    assert parameters(Decoder()) == by_hand == 22_032_195


@pytest.mark.parametrize(
    ("skips", "published"),
    [
        ((), 19_803_971),
        ((("E3", "F6"), ("E5", "F4")), 24_522_563),
        ((("E1", "F8"), ("E3", "F6")), 20_331_331),
        ((("E1", "F8"), ("E2", "F7")), 19_938_115),
    ],
)
def test_decoder_parameters_with_other_skips(skips, published):
    assert parameters(Decoder(unet_skips=skips)) == published


def test_decoder_shapes():
    decoder, shapes = Decoder(), []
    for layer in decoder.layers:
        layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape)))
    image = decoder([torch.empty(2, c, s, s) for c, s in zip(ENCODER, SIDES, strict=True)])
    sides = (4, 8, 16, 32, 64, 128, 256)
    assert shapes == [(2, channels, side, side) for channels, side in zip(DECODER[:7], sides, strict=True)]
    assert image.shape == (2, 3, 256, 256)


def test_projection_shortcuts_add_their_1x1_convolutions():
    encoder = conv(1, 64, 256) + conv(1, 256, 512) + conv(1, 512, 512)
    decoder = conv(1, 1024, 512) + conv(1, 512, 256)
    assert parameters(Encoder(6, shortcut="projection")) == 15_480_768 + encoder
    assert parameters(Decoder(shortcut="projection")) == 22_032_195 + decoder
    assert (encoder, decoder) == (410_880, 656_128)


@pytest.mark.parametrize(("conditional", "published"), [(True, 2_769_601), (False, 2_766_529)])
def test_discriminator_parameters(conditional, published):
    by_hand = conv(4, 6 if conditional else 3, 64)
    for into, out in ((64, 128), (128, 256), (256, 512)):
        by_hand += conv(4, into, out) + bn(out)
    assert parameters(Discriminator(conditional=conditional)) == by_hand + conv(4, 512, 1) == published


@pytest.mark.parametrize(("side", "patches"), [(256, 30), (128, 14)])
def test_discriminator_shapes(side, patches):
    image = torch.empty(2, 3, side, side)
    logits, features = Discriminator()(image, image)
    assert logits.shape == (2, 1, patches, patches)
    assert features.shape == (2, 512, patches + 1, patches + 1)


@pytest.mark.parametrize(
    ("stacks", "shuffled", "enlarged"),
    [
        (1, 3_434_672, 3_423_107),
        (2, 6_595_040, 6_560_390),
        (4, 12_915_776, 12_834_956),
        (8, 25_557_248, 25_384_088),
    ],
)
def test_hourglass_parameters(stacks, shuffled, enlarged):
    def by_hand(out):
        stem = conv(7, 3, 64) + bn(64) + residual(64, 128) + residual(128, 128) + residual(128, 256)
        # a residual block beside, below and above each of 4 levels, one at the bottom, one after the hourglass
        stack = (3 * 4 + 1 + 1) * residual(256, 256) + conv(1, 256, 256) + bn(256) + conv(1, 256, out)
        return stem + stacks * stack + (stacks - 1) * (conv(1, 256, 256) + conv(1, out, 256))

    assert parameters(StackedHourglass(256, stacks)) == by_hand(48) == shuffled
    assert parameters(StackedHourglass(256, stacks, head="bilinear")) == by_hand(3) == enlarged


def test_demo_scale_closes_at_128_pixels():
    networks = build_networks(ModelSettings(image_size=128, base_width=16, hourglass_features=64, hourglass_stacks=1))
    blurry = torch.empty(2, 3, 128, 128)
    condition = networks.condition(blurry)
    features = networks.generator.encoder(condition)
    assert condition.shape == (2, 6, 128, 128)
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels // 4, side // 2, side // 2) for channels, side in zip(ENCODER, SIDES, strict=True)
    ]
    assert networks.generator(condition).shape == networks.identity(blurry).shape == blurry.shape
