from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from facedeblur.models.decoder import Decoder
from facedeblur.models.encoder import Encoder
from facedeblur.models.generator import DeblurGenerator, IdentityStream, TwoStep
from facedeblur.models.hourglass import StackedHourglass


class ToyEncoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, image):
        return [self.conv(image)]


class ToyDecoder(nn.Module):
    """No batch norm; notes the streams it serves."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 3, padding=1)
        self.streams = []

    def forward(self, features, stream):
        self.streams.append(stream)
        return self.conv(features[-1]).tanh()


class ToyFirstStep(nn.Module):
    def restore(self, image):
        return image / 2


@pytest.fixture
def blurry():
    return torch.rand(2, 3, 10, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_plug_ins_wrap_a_toy_encoder_and_decoder_without_batch_norm(blurry):
    decoder = ToyDecoder()
    generator = DeblurGenerator(ToyEncoder(6), decoder)
    identity = IdentityStream(ToyEncoder(3), decoder)
    two_step = TwoStep(ToyFirstStep())

    restored, reconstruction = generator(two_step(blurry)), identity(blurry)
    assert restored.shape == reconstruction.shape == blurry.shape
    assert decoder.streams == ["blurry", "sharp"]
    torch.testing.assert_close(restored, decoder(generator.encoder(torch.cat([blurry, blurry / 2], 1)), "blurry"))


def test_gradients_of_both_streams_meet_in_the_tied_decoder(blurry):
    decoder = ToyDecoder()
    generator, identity = DeblurGenerator(ToyEncoder(3), decoder), IdentityStream(ToyEncoder(3), decoder)

    def gradient(*outputs):
        return torch.autograd.grad(sum(o.square().sum() for o in outputs), decoder.conv.weight)[0]

    both = gradient(generator(blurry), identity(blurry))
    torch.testing.assert_close(both, gradient(generator(blurry)) + gradient(identity(blurry)))


@pytest.mark.parametrize("stream", [DeblurGenerator, IdentityStream])
def test_global_residual_adds_the_input_image_within_range(blurry, stream):
    encoder, decoder = ToyEncoder(3), ToyDecoder()
    plain, residual = stream(encoder, decoder)(blurry), stream(encoder, decoder, global_residual=True)(blurry)
    torch.testing.assert_close(residual, (blurry + plain).clamp(-1, 1))

    nn.init.zeros_(decoder.conv.weight)
    nn.init.zeros_(decoder.conv.bias)
    assert torch.equal(stream(encoder, decoder, global_residual=True)(blurry), blurry)


def test_global_residual_adds_the_blurry_image_and_not_the_first_step(blurry):
    decoder = ToyDecoder()
    nn.init.zeros_(decoder.conv.weight)
    nn.init.zeros_(decoder.conv.bias)
    generator = DeblurGenerator(ToyEncoder(6), decoder, global_residual=True)
    assert torch.equal(generator(TwoStep(ToyFirstStep())(blurry)), blurry)


def test_first_step_is_frozen_whatever_its_surroundings_do():
    two_step = TwoStep(StackedHourglass(features=4, stacks=1))
    surroundings = nn.ModuleList([two_step, nn.Conv2d(6, 3, 1)]).train()
    before = copy.deepcopy(two_step.state_dict())
    optimizer = torch.optim.SGD([p for p in surroundings.parameters() if p.requires_grad], lr=1.0)
    conditioned = two_step(torch.rand(2, 3, 64, 64))
    surroundings[1](conditioned).sum().backward()
    optimizer.step()

    assert not two_step.hourglass.training and surroundings[1].training
    assert not conditioned.requires_grad
    torch.testing.assert_close(two_step.state_dict(), before, rtol=0, atol=0)


def test_identity_pass_leaves_what_deblurring_reads_untouched():
    torch.manual_seed(0)
    decoder = Decoder(width=2)
    generator, identity = DeblurGenerator(Encoder(3, 2), decoder), IdentityStream(Encoder(3, 2), decoder)
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    before = generator.eval()(x)
    identity.train()(x)
    assert torch.equal(generator.eval()(x), before)
