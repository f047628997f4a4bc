"""The pyramid: the sides of the levels, constants and ramps down, kernels up, MATLAB's resizing."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from facedeblur.baselines.deconvolution import pyramid

SIDES = {
    13: [13, 11, 7], 15: [15, 11, 9, 7], 17: [17, 13, 9, 7], 19: [19, 15, 11, 7], 21: [21, 15, 11, 9, 7],
    23: [23, 17, 13, 9, 7], 25: [25, 19, 13, 9, 7], 27: [27, 21, 15, 11, 7], 31: [31, 23, 17, 11, 9, 7],
}  # fmt: skip


@pytest.mark.parametrize("side", SIDES)
def test_kernel_sides(side):
    assert pyramid.kernel_sides(side) == SIDES[side][::-1]


@pytest.mark.parametrize("side", [0, 1, 14])
def test_kernel_sides_must_be_odd(side):
    with pytest.raises(ValueError, match="odd and at least 3"):
        pyramid.kernel_sides(side)


def test_the_starting_kernel_is_two_neighbours_above_the_centre():
    kernel = pyramid.starting_kernel(7, torch.zeros(2, 1, 1, 1))
    assert kernel.nonzero().tolist() == [[b, 0, 2, c] for b in range(2) for c in (2, 3)]
    assert torch.equal(kernel.sum((1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize("level", [1, 2, 3, 5])
def test_down_a_constant_stays_and_a_ramp_gets_steeper(level):
    ratio = pyramid.RATIO**level
    assert torch.allclose(pyramid.downsample(torch.full((1, 2, 60, 50), 0.3), ratio), torch.tensor(0.3))
    ramp = torch.arange(60.0, dtype=torch.float64)[:, None].expand(1, 1, -1, 50)
    down = pyramid.downsample(ramp, ratio)
    assert torch.allclose(down.diff(dim=-2), torch.tensor(1 / ratio, dtype=torch.float64))
    assert 0.8 * 60 * ratio < down.shape[-2] <= 60 * ratio + 1


def test_at_full_size_nothing_changes():
    image = torch.rand(1, 1, 9, 9)
    assert pyramid.downsample(image, 1.0) is image


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 2)])
def test_the_smallest_images_go_down(shape):
    down = pyramid.downsample(torch.full((1, 1, *shape), 0.5), pyramid.RATIO**5)
    assert down.numel() and torch.allclose(down, torch.tensor(0.5))


@pytest.mark.parametrize(("below", "side"), [(7, 9), (9, 11), (11, 15), (17, 23), (7, 11)])
def test_kernels_go_up_to_the_side_with_their_centroid_in_place(below, side):
    kernel = torch.rand((4, 1, below, below), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    margin = below // 4  # a centred kernel's border is empty
    kernel = torch.nn.functional.pad(
        kernel[..., margin + 1 : -margin, margin:-margin], (margin, margin, margin + 1, margin)
    )
    kernel /= kernel.sum((-2, -1), keepdim=True)
    up = pyramid.upsample_kernel(kernel, side)
    assert up.shape[-2:] == (side, side) and up.min() >= 0
    assert torch.allclose(up.sum((-2, -1)), torch.ones(4, 1, dtype=torch.float64))
    for dim in (-2, -1):
        where = [(k.sum(-3 - dim) * (torch.arange(k.shape[dim]) - k.shape[dim] // 2)).sum(-1) for k in (kernel, up)]
        assert (where[1] - math.sqrt(2) * where[0]).abs().max() < 1


@pytest.mark.parametrize(
    ("before", "after", "cubic"), [(40, 13, False), (40, 13, True), (13, 29, False), (13, 29, True)]
)
def test_resizing_is_that_of_pillow_inside(before, after, cubic):
    values = np.random.default_rng(0).random((1, before)).astype(np.float32)
    filters = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR  # antialiased, a = -1/2
    expected = np.asarray(Image.fromarray(values).resize((after, 1), filters))[0]
    made = pyramid.resize_matrix(before, after, after / before, cubic, antialias=True) @ values[0].astype(np.float64)
    inner = slice(5, -5) if after > before else slice(2, -2)  # at the border Pillow cuts where MATLAB mirrors
    np.testing.assert_allclose(made[inner], expected[inner], atol=1e-5)
    assert torch.allclose(pyramid.resize_matrix(before, after, after / before).sum(1), torch.ones(1).double())


def test_matrices_apply_along_either_axis():
    image, matrix = torch.rand(1, 1, 4, 5), torch.rand(3, 5)
    assert torch.allclose(pyramid.apply_matrix(image, matrix, -1), image @ matrix.T)
    assert torch.allclose(pyramid.apply_matrix(image.mT, matrix, -2), (image @ matrix.T).mT)
