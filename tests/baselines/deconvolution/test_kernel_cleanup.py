"""Kernels cleaned: components against SciPy, centring by the centroid, and what is left of an empty kernel."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from facedeblur.baselines.deconvolution import kernel_cleanup as cleanup


def without_islands(kernel: np.ndarray, mass: float) -> np.ndarray:
    labels, count = ndimage.label(kernel != 0, np.ones((3, 3)))
    kept = kernel.copy()
    for label in range(1, count + 1):
        if kernel[labels == label].sum() < mass:
            kept[labels == label] = 0
    return kept


@pytest.mark.parametrize("side", [7, 15, 31])
@pytest.mark.parametrize("density", [0.1, 0.3, 0.5])
def test_islands_are_scipys_components(side, density, device):
    generator = torch.Generator().manual_seed(side)
    taps = torch.rand((8, 1, side, side), generator=generator, dtype=torch.float64)
    kernels = taps * (torch.rand(taps.shape, generator=generator) < density)
    kernels /= kernels.sum((-2, -1), keepdim=True)
    made = cleanup.drop_islands(kernels.to(device), 0.1).cpu()
    for kernel, kept in zip(kernels, made, strict=True):
        np.testing.assert_array_equal(kept[0], without_islands(kernel[0].numpy(), 0.1))


def test_a_path_longer_than_any_budget_is_one_component(device):
    spiral = torch.zeros(1, 1, 63, 63)
    for turn in range(0, 31, 2):
        spiral[..., turn, turn : 63 - turn] = spiral[..., 62 - turn, turn : 63 - turn] = 1
        spiral[..., turn : 63 - turn, 62 - turn] = 1
        spiral[..., turn + 2 : 63 - turn, turn] = 1
        spiral[..., turn + 2, turn : turn + 2] = 1
    assert ndimage.label(spiral[0, 0].numpy(), np.ones((3, 3)))[1] == 1
    spiral /= spiral.sum()
    assert torch.equal(cleanup.drop_islands(spiral.to(device), 0.9).cpu(), spiral)


def test_faint_and_negative_taps_go():
    kernel = torch.tensor([[[[1.0, 0.04, 0.06], [-2.0, 0.05, 0.0], [0.0, 0.0, 0.5]]]])
    expected = torch.tensor([[[[1.0, 0.0, 0.06], [0.0, 0.05, 0.0], [0.0, 0.0, 0.5]]]])
    assert torch.equal(cleanup.drop_faint(kernel, 0.05), expected)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_an_empty_kernel_becomes_the_previous_one_or_a_single_tap(value):
    kernel, previous = torch.full((2, 1, 5, 5), value), torch.full((2, 1, 5, 5), 1 / 25)
    kernel[1], kernel[1, 0, 2, 3] = 0, 2.0
    made = cleanup.clean(kernel, previous)
    assert torch.equal(made[0], previous[0]) and made[1, 0, 2, 3] == 1
    single = cleanup.normalised(kernel)
    assert single[0, 0, 2, 2] == 1 and single[0].sum() == 1


def test_centring_moves_the_centroid_to_the_middle_tap():
    kernels = torch.zeros(3, 1, 9, 9)
    kernels[0, 0, 1, 7] = 1  # to the middle at (4, 4)
    kernels[1, 0, 4, 3:5] = 0.5  # half a tap: away from zero, to the right
    kernels[2, 0, 4, 4:6] = 0.5
    assert cleanup.centring_shift(kernels).tolist() == [[3, -3], [0, 1], [0, -1]]
    made = cleanup.centred(kernels)
    assert made[0, 0, 4, 4] == 1
    assert torch.equal(made[1, 0, 4, 4:6], torch.tensor([0.5, 0.5]))


def test_a_shift_brings_zeros_in():
    image = torch.arange(1.0, 13).reshape(1, 1, 3, 4).expand(2, 2, 3, 4)
    moved = cleanup.shifted(image, torch.tensor([[1, -2], [0, 0]]))
    assert torch.equal(moved[1], image[1])
    assert torch.equal(moved[0, 1], torch.tensor([[0.0, 0, 0, 0], [3, 4, 0, 0], [7, 8, 0, 0]]))
