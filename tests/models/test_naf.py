"""NAF blocks against the paper's equations written out plainly, in both memory orders and in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from facedeblur.models.naf import LayerNorm2d, NAFBlock, Pointwise, downsample, simple_gate, upsample


def drawn(module: nn.Module, scale: float = 0.3) -> nn.Module:
    """The module with every parameter drawn, the gains that start at zero among them."""
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    return module


def reference(block: NAFBlock, x: torch.Tensor) -> torch.Tensor:
    """Figure 3c of the paper, from general convolutions and the definition of the layer norm."""

    def norm(layer: LayerNorm2d, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=1, keepdim=True)
        variance = (x - mean).square().mean(dim=1, keepdim=True)
        return (x - mean) / (variance + 1e-6).sqrt() * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)

    def conv(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding, groups=layer.groups)

    def gate(x: torch.Tensor) -> torch.Tensor:
        half = x.shape[1] // 2
        return x[:, :half] * x[:, half:]

    y = gate(conv(block.conv2, conv(block.conv1, norm(block.norm1, x))))
    y = y * conv(block.sca[1], y.mean(dim=(2, 3), keepdim=True))
    x = x + conv(block.conv3, y) * block.beta
    return x + conv(block.conv5, gate(conv(block.conv4, norm(block.norm2, x)))) * block.gamma


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_equals_the_papers_equations_and_their_gradients(order):
    block = drawn(NAFBlock(6)).double()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    weight = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    expected = reference(block, x)
    wanted = torch.autograd.grad((expected * weight).sum(), [x, *block.parameters()])
    result = block(x)
    found = torch.autograd.grad((result * weight).sum(), [x, *block.parameters()])
    assert torch.allclose(result, expected, rtol=1e-10)
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-10) for a, b in zip(found, wanted, strict=True))
    with torch.no_grad():
        assert torch.allclose(block(x), expected, rtol=1e-10)


def test_an_untrained_block_is_the_identity_and_can_learn():
    block, x = NAFBlock(8), torch.randn(1, 8, 9, 9)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.beta.grad.abs().min() > 0 and block.gamma.grad.abs().min() > 0


def test_parameters_counted_by_hand():
    c, wide = 32, 64
    norms, gains = 2 * 2 * c, 2 * c
    first = (c * wide + wide) + (9 * wide + wide) + (c * c + c) + (c * c + c)
    second = (c * wide + wide) + (c * c + c)
    assert sum(p.numel() for p in NAFBlock(c).parameters()) == norms + gains + first + second


def test_names_are_the_authors():
    names = {name.rsplit(".", 1)[0] if "." in name else name for name, _ in NAFBlock(4).named_parameters()}
    assert names == {"norm1", "norm2", "conv1", "conv2", "sca.1", "conv3", "conv4", "conv5", "beta", "gamma"}


def test_channels_last_in_channels_last_out():
    block = drawn(NAFBlock(8)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    assert block(x).is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_stays_close_and_keeps_the_type_of_the_image():
    block, x = drawn(NAFBlock(16), 0.2), torch.randn(2, 16, 12, 12)
    exact = block(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = block(x)
        half.sum().backward()
    assert half.dtype == torch.float32 and block.conv1.weight.grad.dtype == torch.float32
    assert (half - exact).abs().max() < 0.03 * exact.abs().max()


def test_an_image_does_not_depend_on_its_batch():
    block, x = drawn(NAFBlock(8)), torch.randn(3, 8, 10, 10)
    assert torch.allclose(block(x)[1:2], block(x[1:2]), atol=1e-6)


def test_a_constant_image_is_finite():
    block = drawn(NAFBlock(4))
    assert torch.isfinite(block(torch.zeros(1, 4, 1, 1))).all()


def test_dropout_acts_in_training_alone():
    block, x = drawn(NAFBlock(8, keep=0.5)), torch.randn(1, 8, 8, 8)
    assert not torch.equal(block.train()(x), block(x))
    assert torch.equal(block.eval()(x), block(x))


def test_pointwise_is_a_convolution():
    layer, x = drawn(Pointwise(3, 5)), torch.randn(2, 3, 4, 6)
    assert torch.allclose(layer(x), F.conv2d(x, layer.weight, layer.bias), atol=1e-6)


def test_sampling_halves_and_doubles():
    assert downsample(4)(torch.zeros(1, 4, 6, 8)).shape == (1, 8, 3, 4)
    assert upsample(8)(torch.zeros(1, 8, 3, 4)).shape == (1, 4, 6, 8)


def test_odd_channels_cannot_be_gated():
    with pytest.raises(ValueError, match="must be even"):
        NAFBlock(3, expand=1)


def test_the_gate_in_both_modes():
    x = torch.randn(1, 4, 2, 2, requires_grad=True)
    expected = x[:, :2] * x[:, 2:]
    assert torch.equal(simple_gate(x), expected)
    with torch.no_grad():
        assert torch.equal(simple_gate(x), expected)
