from __future__ import annotations

import pytest
import torch
from scipy.signal import correlate2d

from facedeblur.models.encoder import Encoder


@pytest.fixture
def image():
    torch.manual_seed(0)
    return torch.rand(2, 3, 128, 128) * 2 - 1


def test_first_layer_is_aligned_as_tensorflow_same(image):
    encoder = Encoder(3, width=2)
    kernel = encoder.layers[0][0].weight
    expected = 0
    for channel in range(3):
        # SAME at stride 1 with a filter of 4: one row before, two after
        padded = torch.nn.functional.pad(image[0, channel], (1, 2, 1, 2)).numpy()
        expected = expected + correlate2d(padded, kernel[1, channel].detach().numpy(), mode="valid")
    torch.testing.assert_close(encoder(image)[0][0, 1], torch.from_numpy(expected).clamp(min=0))


@pytest.mark.parametrize("number", [3, 5, 7])
def test_residuals_skip_two_layers_and_nothing_else_does(image, number):
    encoder = Encoder(3, width=4).eval()
    features = encoder(image)
    source = features[number - 3]
    added = features[number - 1] - encoder.layers[number - 1](features[number - 2])
    expected = torch.zeros_like(added)
    pooled = torch.nn.functional.avg_pool2d(source, 4)
    expected[:, : source.shape[1]] = pooled[:, : added.shape[1]]
    torch.testing.assert_close(added, expected)
    for other in (2, 4, 6, 8):
        torch.testing.assert_close(features[other - 1], encoder.layers[other - 1](features[other - 2]))


def test_paper_order_normalises_after_relu(image):
    e2 = Encoder(3, width=4, norm_order="conv_relu_bn")(image)[1]
    assert e2.min() < 0
    torch.testing.assert_close(e2.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)


def test_pix2pix_order_ends_in_relu(image):
    e2 = Encoder(3, width=4, norm_order="conv_bn_relu")(image)[1]
    assert e2.min() == 0
    assert (e2 > 0).float().mean(dim=(0, 2, 3)).min() > 0.2


def test_first_layer_has_no_norm_and_norm_can_be_left_out():
    def norms(encoder):
        return [sum(isinstance(m, torch.nn.BatchNorm2d) for m in layer) for layer in encoder.layers]

    assert norms(Encoder(3, width=2)) == [0, 1, 1, 1, 1, 1, 1, 1]
    assert norms(Encoder(3, width=2, norm="none")) == [0] * 8


@pytest.mark.parametrize("options", [{}, {"norm": "none"}, {"norm_order": "conv_bn_relu"}, {"shortcut": "projection"}])
def test_every_parameter_gets_a_gradient(image, options):
    encoder = Encoder(3, width=2, **options)
    # plain sums have no gradient through batch norm
    sum((f * torch.linspace(-1, 1, f.numel()).view_as(f)).sum() for f in encoder(image)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize("size", [(127, 128), (128, 192), (64, 64)])
def test_sides_that_do_not_close_are_refused(size):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}"):
        Encoder(3, width=2)(torch.zeros(2, 3, *size))


def test_rectangles_close_too():
    assert Encoder(3, width=2)(torch.zeros(2, 3, 128, 256))[-1].shape == (2, 8, 1, 2)


def test_channels_last_and_bfloat16_survive_every_layer(image):
    encoder = Encoder(3, width=16).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(image.to(memory_format=torch.channels_last))
    assert all(f.dtype == torch.bfloat16 for f in features)
    assert all(f.is_contiguous(memory_format=torch.channels_last) for f in features)
