"""DeblurGAN's networks: parameters counted by hand, the untouched input behind a zero last layer, dropout, sides."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.kupyn17 import Critic, ResnetGenerator


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**2 + outputs


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def small() -> ResnetGenerator:
    torch.manual_seed(0)
    return ResnetGenerator(width=4, blocks=2)


def test_parameters_of_the_paper():
    ends = conv(3, 64, 7) + conv(64, 3, 7)
    strided = 2 * (64 * 128 * 9 + 128 * 256 * 9) + 128 + 256 + 128 + 64
    with torch.device("meta"):
        assert count(ResnetGenerator()) == ends + strided + 9 * 2 * conv(256, 256, 3) == 11_378_179


def test_parameters_of_the_critic():
    by_hand = conv(3, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 512, 4) + conv(512, 1, 4)
    with torch.device("meta"):
        assert count(Critic()) == by_hand


def test_names_of_the_authors_files():
    with torch.device("meta"):
        names = set(ResnetGenerator().state_dict())
    layers = ["1", "4", "7", *(f"{i}.conv_block.{j}" for i in range(10, 19) for j in (1, 6)), "19", "22", "26"]
    assert names == {f"model.{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_a_zero_last_layer_returns_the_input():
    network, blurry = small().eval(), torch.rand(1, 3, 16, 12) * 2 - 1
    for parameter in network.model[-2].parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(network(blurry), blurry)


def test_the_result_is_limited():
    network = small().eval()
    torch.nn.init.constant_(network.model[-2].bias, 3.0)
    assert network(torch.ones(1, 3, 8, 8)).max() == 1


def test_dropout_acts_in_training_alone():
    network, blurry = small(), torch.rand(1, 3, 32, 32)
    torch.nn.init.normal_(network.model[-2].weight, 0, 1)
    assert torch.equal(network.eval()(blurry), network(blurry))
    assert not torch.equal(network.train()(blurry), network(blurry))


def test_the_transposed_layers_double_the_sides():
    assert small()(torch.zeros(2, 3, 20, 8)).shape == (2, 3, 20, 8)


@pytest.mark.parametrize("size", [(10, 8), (4, 8)])
def test_other_sides_are_refused(size):
    with pytest.raises(ValueError, match="multiples of 4 from 8"):
        small()(torch.zeros(1, 3, *size))


def test_the_critic_scores_patches():
    # 128 -> 65 -> 33 -> 17 -> 18 -> 19 with 4x4 filters and two pixels of padding
    assert Critic(4)(torch.zeros(2, 3, 128, 128)).shape == (2, 1, 19, 19)
