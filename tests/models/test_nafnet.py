"""NAFNet: parameters counted by hand and as published, the input behind a zero last layer, sides, names."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.nafnet import NAFNet


def block(c: int) -> int:
    return 2 * 2 * c + 2 * c + 2 * (2 * c * c + 2 * c) + (18 * c + 2 * c) + 3 * (c * c + c)


def by_hand(width: int, encoder: tuple[int, ...], middle: int, decoder: tuple[int, ...]) -> int:
    channels = [width * 2**i for i in range(len(encoder) + 1)]
    ends = 27 * width + width + 27 * width + 3
    blocks = sum(n * block(c) for n, c in zip(encoder, channels, strict=False)) + middle * block(channels[-1])
    blocks += sum(n * block(c) for n, c in zip(decoder, channels[-2::-1], strict=True))
    downs = sum(4 * c * 2 * c + 2 * c for c in channels[:-1])
    ups = sum(c * 2 * c for c in channels[1:])
    return ends + blocks + downs + ups


def count(network: NAFNet) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_as_counted_and_published():
    with torch.device("meta"):
        assert count(NAFNet(32)) == by_hand(32, (1, 1, 1, 28), 1, (1, 1, 1, 1))
        assert round(count(NAFNet(64)) / 1e6, 2) == 67.89  # table 6 of the paper
        assert count(NAFNet(8, (1, 2), 3, (2, 1))) == by_hand(8, (1, 2), 3, (2, 1))


def test_names_of_the_authors_files():
    with torch.device("meta"):
        names = set(NAFNet(32).state_dict())
    expected = ("intro.weight", "encoders.3.27.beta", "middle_blks.0.sca.1.weight", "ups.0.0.weight", "downs.3.bias")
    assert names.issuperset(expected) and "ups.0.0.bias" not in names


def test_a_zero_last_layer_returns_the_input_and_learns():
    network, blurry = NAFNet(4, (1, 1), 1, (1, 1)), torch.rand(2, 3, 8, 12)
    for parameter in network.ending.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(network(blurry), blurry)
    network(blurry).square().mean().backward()
    assert network.ending.weight.grad.abs().sum() > 0


def test_sides():
    network = NAFNet(4, (1, 1, 1), 1, (1, 1, 1))
    assert network.multiple == 8 and network(torch.zeros(1, 3, 16, 8)).shape == (1, 3, 16, 8)
    with pytest.raises(ValueError, match="multiples of 8"):
        network(torch.zeros(1, 3, 12, 8))
    with pytest.raises(ValueError, match="must be as many"):
        NAFNet(4, (1, 1), 1, (1,))
