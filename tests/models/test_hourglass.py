from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facedeblur.models.hourglass import Residual, StackedHourglass


@pytest.fixture
def image():
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("head", ["pixelshuffle", "bilinear"])
@pytest.mark.parametrize("stacks", [1, 2])
def test_one_image_for_every_stack(image, head, stacks):
    hourglass = StackedHourglass(features=8, stacks=stacks, head=head)
    images = hourglass(image)
    assert [i.shape for i in images] == [image.shape] * stacks
    restored = hourglass.eval().restore(image)
    assert restored.abs().max() <= 1
    torch.testing.assert_close(restored, hourglass(image)[-1].clamp(-1, 1))


def test_every_stack_is_supervised_by_its_own_image(image):
    hourglass = StackedHourglass(features=8, stacks=2)
    first, last = hourglass(image)
    first.square().sum().backward(retain_graph=True)
    assert all(p.grad is None for p in hourglass.hourglasses[1].parameters())
    assert all(p.grad is None for p in hourglass.return_outputs.parameters())
    last.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in hourglass.parameters())


def test_a_stacks_findings_return_to_the_next(image):
    hourglass = StackedHourglass(features=8, stacks=2).eval()
    before = hourglass(image)
    with torch.no_grad():
        hourglass.return_outputs[0].bias += 1
    after = hourglass(image)
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])


def test_pixelshuffle_head_predicts_blocks_of_4x4(image):
    hourglass = StackedHourglass(features=8, stacks=1).eval()
    with torch.no_grad():
        hourglass.outputs[0].weight.zero_()
        hourglass.outputs[0].bias.copy_(torch.arange(48.0))
    block = hourglass(image)[0][0, 1, 4:8, 8:12]
    assert torch.equal(block, torch.arange(16.0, 32.0).view(4, 4))


def test_bilinear_head_has_low_frequencies_only(image):
    hourglass = StackedHourglass(features=8, stacks=1, head="bilinear").eval()
    small = []
    hourglass.outputs[0].register_forward_hook(lambda module, args, output: small.append(output))
    restored = hourglass(image)[0]
    expected = F.interpolate(small[0], scale_factor=4, mode="bilinear", align_corners=False)
    assert small[0].shape == (2, 3, 32, 32)
    torch.testing.assert_close(restored, expected)


def test_residual_output_is_a_correction_of_the_input(image):
    hourglass = StackedHourglass(features=8, stacks=2, residual=True).eval()
    for output in hourglass.outputs:
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.zeros_(output.bias)
    assert all(torch.equal(i, image) for i in hourglass(image))


@pytest.mark.parametrize("out_channels", [6, 8])
def test_block_is_the_sum_of_branch_and_skip(out_channels):
    block, x = Residual(6, out_channels).eval(), torch.randn(1, 6, 5, 5)
    with torch.no_grad():
        block.branch[-1].weight.zero_()
        block.branch[-1].bias.zero_()
    torch.testing.assert_close(block(x), x if out_channels == 6 else block.skip(x))


def test_sides_that_do_not_close_are_refused():
    with pytest.raises(ValueError, match="96x128 pixels: both sides must be multiples of 64"):
        StackedHourglass(features=4, stacks=1)(torch.zeros(1, 3, 96, 128))


def test_channels_last_survives_under_autocast(image):
    hourglass = StackedHourglass(features=16, stacks=2).to(memory_format=torch.channels_last)
    formats = []
    for module in hourglass.modules():
        if isinstance(module, Residual):
            module.register_forward_hook(
                lambda m, a, y: formats.append((y.dtype, y.is_contiguous(memory_format=torch.channels_last)))
            )
    with torch.autocast("cpu", torch.bfloat16):
        hourglass(image.to(memory_format=torch.channels_last))
    assert set(formats) == {(torch.bfloat16, True)}
