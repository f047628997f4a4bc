from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facedeblur.models.decoder import Decoder, UpLayer
from facedeblur.models.encoder import ENCODER_WIDTHS


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 2 * m, 128 >> k, 128 >> k, generator=generator) for k, m in enumerate(ENCODER_WIDTHS)]


def small(**options):
    torch.manual_seed(0)
    return Decoder(width=2, keep=(1.0,) * 7, **options)


def test_last_layer_is_the_adjoint_of_a_same_convolution():
    decoder = small(unet_skips=(), norm="none")
    decoder.layers = nn.ModuleList()  # leaves the last layer, applied to the code
    decoder.shortcuts = nn.ModuleDict()
    code, probe = torch.randn(1, 2, 9, 9) * 0.1, torch.randn(1, 3, 9, 9)
    restored = torch.atanh(decoder([code]))
    # TensorFlow's SAME convolution with the same weights, forwards; float32 rounding only
    back = F.conv2d(F.pad(probe, (1, 2, 1, 2)), decoder.to_image.weight)
    torch.testing.assert_close((restored * probe).sum(), (code * back).sum(), rtol=1e-4, atol=1e-6)


def test_first_layer_fills_one_position_in_four():
    conv = small().layers[0].conv
    nn.init.constant_(conv.bias, 0.25)
    code = torch.randn(1, 8, 2, 2)
    enlarged = conv(code)
    expected = torch.full((1, 32, 4, 4), 0.25)
    expected[..., ::2, ::2] += torch.einsum("bihw,io->bohw", code, conv.weight[..., 0, 0])
    torch.testing.assert_close(enlarged, expected)


def test_residuals_skip_two_layers_and_nothing_else_does(features):
    decoder = small(unet_skips=()).eval()
    inputs, outputs = [], []
    for layer in decoder.layers:
        layer.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
        layer.register_forward_hook(lambda module, args, output: outputs.append(output))
    decoder(features)
    for number in range(1, 7):
        added = inputs[number] - outputs[number - 1]
        if number in (3, 5):
            source = inputs[number - 2]  # what layer number-2 gave, residual included
            expected = F.interpolate(source[:, : added.shape[1]], scale_factor=4)
            torch.testing.assert_close(added, expected, atol=1e-5, rtol=1e-5)
        else:
            assert not added.any()


@pytest.mark.parametrize("skips", [(("E2", "F7"), ("E4", "F5")), (("E1", "F8"), ("E3", "F6")), ()])
def test_exactly_the_chosen_feature_maps_are_joined(features, skips):
    decoder = small(unet_skips=skips).eval()
    before = decoder(features)
    for number in range(1, 8):
        changed = [f + 1 if k == number else f for k, f in enumerate(features, start=1)]
        joined = f"E{number}" in {source for source, _ in skips}
        assert torch.equal(decoder(changed), before) is not joined


def test_keep_is_the_probability_of_keeping():
    identity = nn.ConvTranspose2d(1, 1, 1)
    nn.init.ones_(identity.weight)
    nn.init.zeros_(identity.bias)
    layer = UpLayer(identity, norm=None, keep=0.8)
    torch.manual_seed(0)
    kept = layer(torch.ones(1, 1, 200, 200), "blurry")
    assert (kept > 0).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert kept.max().item() == pytest.approx(1 / 0.8)
    assert torch.equal(layer.eval()(torch.ones(1, 1, 4, 4), "blurry"), torch.ones(1, 1, 4, 4))


def test_dropout_is_random_in_training_only_and_follows_the_seed(features):
    torch.manual_seed(0)
    decoder = Decoder(width=2)

    def run(seed):
        torch.manual_seed(seed)
        return decoder(features)

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    decoder.eval()
    assert torch.equal(run(1), run(2))


@pytest.mark.parametrize(("order", "smallest"), [("conv_relu_bn", None), ("conv_bn_relu", 0.0)])
def test_order_of_relu_and_norm(order, smallest):
    layer = small(norm_order=order).layers[1]
    y = layer(torch.randn(4, 32, 8, 8), "blurry")
    assert y.min().item() == smallest if smallest is not None else y.min() < 0


@pytest.mark.parametrize("stream", ["blurry", "sharp"])
def test_a_pass_updates_the_statistics_of_its_stream_only(features, stream):
    decoder = small()
    before = {name: value.clone() for name, value in decoder.named_buffers()}
    decoder(features, stream=stream)
    changed = {name for name, value in decoder.named_buffers() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if ("sharp_" in name) is (stream == "sharp")}
    assert len(changed) == 2 * 7


@pytest.mark.parametrize("options", [{}, {"norm": "none"}, {"norm_order": "conv_bn_relu"}, {"shortcut": "projection"}])
def test_every_parameter_gets_a_gradient(features, options):
    decoder = small(**options)
    (decoder(features) * torch.linspace(-1, 1, 128)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())


def test_image_is_float32_channels_last_in_range_under_autocast(features):
    decoder = small().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        image = decoder([100 * f.to(memory_format=torch.channels_last) for f in features])
    assert image.dtype == torch.float32
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert image.abs().max() <= 1
