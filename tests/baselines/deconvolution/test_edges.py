"""The selection of gradients against the definition by histograms, written out."""

import numpy as np
import pytest
import torch

from facedeblur.baselines.deconvolution.edges import select, starting_threshold


def gradients(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.1


def by_histogram(image: np.ndarray, side: int) -> float:
    horizontal, vertical = (plane.ravel() for plane in image)
    magnitude, angle = horizontal**2 + vertical**2, np.arctan(vertical / horizontal)
    bins = [(0, np.pi / 4), (np.pi / 4, np.pi / 2), (-np.pi / 4, 0), (-np.pi / 2, -np.pi / 4)]
    for step in range(int(2 / 6e-5), -1, -1):
        counts = [((magnitude >= step * 6e-5) & (angle >= a) & (angle < b)).sum() for a, b in bins]
        if min(counts) >= max(20 * side, 10):
            return step * 6e-5
    return 0.0


@pytest.mark.parametrize("side", [3, 5])
def test_the_start_leaves_enough_of_every_orientation(side):
    images = gradients(2, 2, 51, 47)
    images[1, 0] *= 0.5
    made = starting_threshold(images, side)
    assert made.shape == (2, 1, 1, 1) and made.min() > 0
    assert made.flatten().tolist() == pytest.approx([by_histogram(image.numpy(), side) for image in images])


@pytest.mark.parametrize("image", [torch.zeros(1, 2, 40, 40), torch.ones(1, 2, 40, 40), gradients(1, 2, 5, 5)])
def test_without_gradients_of_an_orientation_everything_is_taken(image):
    assert starting_threshold(image, 3).item() == 0


def test_selection_zeroes_what_is_weak_and_eases():
    images = gradients(2, 2, 12, 12)
    threshold = torch.tensor([0.01, 0.0], dtype=torch.float64)[:, None, None, None]
    made, after = select(images, threshold)
    strong = images[0].square().sum(0) >= 0.01
    assert torch.equal(made[0], images[0] * strong) and 0 < strong.sum() < strong.numel()
    assert torch.equal(made[1], images[1])
    assert after.flatten().tolist() == pytest.approx([0.01 / 1.1, 0])


@pytest.mark.parametrize("start", [1.0, 30.0])
def test_a_bound_that_nothing_reaches_falls_until_something_does(start):
    image = gradients(1, 2, 12, 12)
    strongest = image.square().sum(1).max().item()
    expected = start
    while expected > strongest:
        expected *= 0.81
    made, after = select(image, torch.full((1, 1, 1, 1), start, dtype=torch.float64))
    assert after.item() * 1.1 == pytest.approx(expected) and (made != 0).any()


def test_an_image_without_gradients_stays_without():
    made, after = select(torch.zeros(1, 2, 4, 4), torch.full((1, 1, 1, 1), 0.5))
    assert not made.any() and after.item() == 0
