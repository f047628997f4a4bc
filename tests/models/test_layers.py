from __future__ import annotations

import pytest
import torch
from torch import nn

from facedeblur.models.layers import Shortcut, TiedBatchNorm2d, concatenate, init_pix2pix


def batches(count=3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, 6, 5, 5, generator=generator) * (k + 1) + k for k in range(count)]


def test_blurry_stream_alone_is_plain_batch_norm():
    tied, plain = TiedBatchNorm2d(6), nn.BatchNorm2d(6)
    for x in batches():
        torch.testing.assert_close(tied(x, "blurry"), plain(x))
    torch.testing.assert_close((tied.running_mean, tied.running_var), (plain.running_mean, plain.running_var))
    x = batches()[0]
    torch.testing.assert_close(tied.eval()(x), plain.eval()(x))


def test_each_stream_feeds_and_reads_its_own_statistics():
    tied, blurry, sharp = TiedBatchNorm2d(6), nn.BatchNorm2d(6), nn.BatchNorm2d(6)
    a, b, c = batches()
    tied(a, "blurry"), tied(b, "sharp"), tied(c, "blurry")
    blurry(a), blurry(c), sharp(b)
    torch.testing.assert_close(tied.running_mean, blurry.running_mean)
    torch.testing.assert_close(tied.sharp_running_var, sharp.running_var)
    tied.eval(), blurry.eval(), sharp.eval()
    torch.testing.assert_close(tied(b, "blurry"), blurry(b))
    torch.testing.assert_close(tied(b, "sharp"), sharp(b))
    assert not torch.allclose(tied(b, "blurry"), tied(b, "sharp"))


def test_both_streams_train_the_one_affine():
    tied = TiedBatchNorm2d(6)
    assert {name for name, _ in tied.named_parameters()} == {"weight", "bias"}
    a, b, _ = batches()
    (tied(a, "blurry").sum() + tied(b, "sharp").sum()).backward()
    torch.testing.assert_close(tied.bias.grad, torch.full((6,), 2.0 * 4 * 5 * 5))


def test_shared_running_statistics_are_fed_by_both_streams():
    tied, plain = TiedBatchNorm2d(6, shared_running=True), nn.BatchNorm2d(6)
    a, b, _ = batches()
    tied(a, "blurry"), tied(b, "sharp")
    plain(a), plain(b)
    torch.testing.assert_close(tied.running_var, plain.running_var)
    assert set(tied.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


def test_evaluation_changes_no_statistics():
    tied = TiedBatchNorm2d(6).eval()
    before = {name: value.clone() for name, value in tied.state_dict().items()}
    tied(batches()[1], "sharp")
    torch.testing.assert_close(tied.state_dict(), before)


def test_shortcut_down_averages_and_pads_with_zeros():
    x = torch.randn(2, 3, 8, 8)
    y = Shortcut(3, 5, up=False, projection=False)(x)
    torch.testing.assert_close(y[:, :3], x.reshape(2, 3, 2, 4, 2, 4).mean(dim=(3, 5)))
    assert y.shape == (2, 5, 2, 2) and not y[:, 3:].any()


def test_shortcut_up_repeats_and_truncates():
    x = torch.randn(2, 5, 2, 2)
    y = Shortcut(5, 3, up=True, projection=False)(x)
    assert torch.equal(y, x[:, :3].repeat_interleave(4, 2).repeat_interleave(4, 3))


@pytest.mark.parametrize(("up", "side"), [(True, 16), (False, 1)])
def test_shortcut_projection_maps_channels(up, side):
    shortcut = Shortcut(5, 3, up=up, projection=True)
    assert shortcut(torch.randn(2, 5, 4, 4)).shape == (2, 3, side, side)
    assert sum(p.numel() for p in shortcut.parameters()) == 5 * 3 + 3


def test_concatenate_is_cat_with_the_right_and_dense_gradients():
    a = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.equal(concatenate(a, b), torch.cat([a, b], dim=1))
    assert torch.autograd.gradcheck(concatenate, (a, b))

    last = a.detach().to(memory_format=torch.channels_last).requires_grad_()
    concatenate(last, b).square().sum().backward()
    assert last.grad.is_contiguous(memory_format=torch.channels_last)


def test_initial_weights_are_pix2pix():
    torch.manual_seed(0)
    network = init_pix2pix(nn.Sequential(nn.Conv2d(64, 64, 4), nn.ConvTranspose2d(64, 64, 4), TiedBatchNorm2d(4096)))
    for module, mean in zip(network, (0.0, 0.0, 1.0), strict=True):
        assert module.weight.mean().item() == pytest.approx(mean, abs=2e-3)
        assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not module.bias.any()
