from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from facedeblur.losses import DiscriminatorLoss, GeneratorLoss
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.settings import ModelSettings

TINY = ModelSettings(image_size=128, base_width=2, hourglass_features=4, hourglass_stacks=1)

# Mean, deviation and one pixel of the image, mean of the logits, deviation of the features: a change means that old
# checkpoints no longer fit.
GOLDEN = [-0.14265, 0.57848, 0.69689, -0.408, 0.50369]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def wave_weights(network):
    """Weights without random numbers, so that an output can be written down."""
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            wave = torch.sin(torch.arange(parameter.numel(), dtype=torch.float32) + index)
            parameter.copy_(wave.view_as(parameter) / parameter[0].numel() ** 0.5)
    return network


def test_both_streams_use_one_decoder_object():
    networks = build_networks(TINY)
    assert networks.identity.decoder is networks.generator.decoder
    trained = networks.generator_parameters()
    encoders = parameters(networks.generator.encoder) + parameters(networks.identity.encoder)
    assert sum(p.numel() for p in trained) == encoders + parameters(networks.generator.decoder)
    assert len({id(p) for p in trained}) == len(trained)


def test_optimizers_parameters_are_disjoint_and_leave_the_hourglass_out():
    networks = build_networks(TINY)
    trained = {id(p) for p in networks.generator_parameters()}
    assert trained.isdisjoint(id(p) for p in networks.discriminator.parameters())
    assert trained.isdisjoint(id(p) for p in networks.hourglass.parameters())
    assert all(p.requires_grad for p in networks.generator_parameters())


@pytest.mark.parametrize(
    ("changes", "channels", "identity", "hourglass"),
    [
        ({}, 6, True, True),
        ({"identity": False}, 6, False, True),
        ({"two_step": False}, 3, True, False),
        ({"hourglass_stacks": 0}, 3, True, False),
        ({"identity": False, "two_step": False}, 3, False, False),
    ],
)
def test_plug_ins_are_switched_off_one_by_one(changes, channels, identity, hourglass):
    networks = build_networks(replace(TINY, **changes))
    blurry = torch.zeros(2, 3, 128, 128)
    assert networks.condition(blurry).shape[1] == channels
    assert networks.generator(networks.condition(blurry)).shape == blurry.shape
    assert (networks.identity is not None, networks.hourglass is not None) == (identity, hourglass)


def test_a_trained_hourglass_is_taken_in():
    hourglass = build_hourglass(TINY)
    assert build_networks(TINY, hourglass).hourglass is hourglass
    with pytest.raises(ValueError, match="^two_step: "):
        build_networks(replace(TINY, two_step=False), hourglass)
    with pytest.raises(ValueError, match="^hourglass_stacks: "):
        build_hourglass(replace(TINY, hourglass_stacks=0))


def test_settings_reach_the_networks():
    settings = replace(
        TINY,
        norm="none",
        shortcut="projection",
        unet_skips=(),
        keep=(0.9,) * 7,
        discriminator_width=6,
        conditional=False,
        global_residual=True,
        hourglass_head="bilinear",
        hourglass_residual=True,
    )
    networks = build_networks(settings)
    assert not any("norm" in name for name, _ in networks.generator.decoder.named_parameters())
    assert networks.generator.decoder.shortcuts["F3"].projection is not None
    assert networks.generator.encoder.shortcuts["E3"].projection is not None
    assert networks.generator.decoder.skips == {}
    assert {layer.keep for layer in networks.generator.decoder.layers} == {0.9}
    assert networks.discriminator.trunk[0].weight.shape[:2] == (6, 3)
    assert networks.generator.global_residual and networks.identity.global_residual
    assert networks.hourglass.residual and networks.hourglass.outputs[0].out_channels == 3
    assert build_networks(TINY).discriminator.trunk[0].out_channels == TINY.base_width
    shared = build_networks(replace(TINY, shared_running=True))
    assert not any("sharp_" in name for name in shared.state_dict())


def test_weights_follow_the_seed():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_networks(TINY).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_state_returns_to_a_copy():
    torch.manual_seed(0)
    networks, other = build_networks(TINY), build_networks(TINY)
    networks.identity(torch.rand(2, 3, 128, 128))
    other.load_state_dict(networks.state_dict())
    assert other.identity.decoder is other.generator.decoder
    torch.testing.assert_close(other.state_dict(), networks.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_one_adversarial_step_moves_everything_but_the_hourglass(precision):
    torch.manual_seed(0)
    networks = build_networks(TINY).to(memory_format=torch.channels_last)
    frozen = {id(p) for p in networks.hourglass.parameters()}
    before = {name: p.detach().clone() for name, p in networks.named_parameters()}
    blurry, sharp = torch.rand(2, 4, 3, 128, 128) * 2 - 1
    players = [
        torch.optim.Adam(networks.generator_parameters()),
        torch.optim.Adam(networks.discriminator.parameters()),
    ]
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        output = networks.generator(networks.condition(blurry))
        reconstruction = networks.identity(sharp)
        real_logits, real_features = networks.discriminator(sharp, blurry)
        fake_logits, fake_features = networks.discriminator(output, blurry)
    terms = {"fake_logits": fake_logits, "fake_features": fake_features, "real_features": real_features}
    for_generator = GeneratorLoss()(output, sharp, reconstruction=reconstruction, **terms)["total"]
    for_discriminator = DiscriminatorLoss()(real_logits, fake_logits)["total"]
    for player, loss in zip(players, (for_generator, for_discriminator), strict=True):
        parameters = player.param_groups[0]["params"]
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True
        ):
            parameter.grad = gradient
    for player in players:
        player.step()

    for name, parameter in networks.named_parameters():
        assert torch.equal(parameter, before[name]) is (id(parameter) in frozen), name
        assert parameter.isfinite().all(), name


def test_golden_output():
    networks = wave_weights(build_networks(TINY)).eval()
    row, column = torch.meshgrid(torch.linspace(-1, 1, 128), torch.linspace(-1, 1, 128), indexing="ij")
    blurry = torch.stack([row, column, row * column])[None]
    restored = networks.generator(networks.condition(blurry))
    logits, features = networks.discriminator(restored, blurry)
    measured = [restored.mean(), restored.std(), restored[0, 0, 64, 64], logits.mean(), features.std()]
    torch.testing.assert_close(torch.stack(measured), torch.tensor(GOLDEN), rtol=1e-3, atol=1e-4)
