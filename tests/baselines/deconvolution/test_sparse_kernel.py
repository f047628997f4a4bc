"""The sparse kernel between two images: filters against SciPy, a known kernel found, flat images, batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from facedeblur.baselines.deconvolution.sparse_kernel import derivatives, residual, sparse_kernel


@pytest.fixture(scope="module")
def sharp() -> torch.Tensor:
    """Rectangles of random greys on smooth shading."""
    random = np.random.default_rng(3)
    image = 0.5 + 0.1 * gaussian_filter(random.standard_normal((110, 110)), 12) * 10
    for _ in range(25):
        y, x = random.integers(0, 95, 2)
        image[y : y + random.integers(8, 30), x : x + random.integers(8, 30)] = random.random()
    return torch.from_numpy(image.clip(0, 1)).float()[None, None]


def motion(side: int) -> torch.Tensor:
    kernel = torch.zeros(1, 1, side, side)
    middle = side // 2
    for step, weight in zip(range(-3, 4), (1, 2, 2, 3, 2, 1, 1), strict=True):
        kernel[..., middle + step // 2, middle + step] = weight
    return kernel / kernel.sum()


def blurred(sharp: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    padded = np.pad(sharp[0, 0].numpy(), kernel.shape[-1] // 2, mode="edge")
    return torch.from_numpy(convolve2d(padded, kernel[0, 0].numpy(), mode="valid"))[None, None]


def similarity(first: torch.Tensor, second: torch.Tensor) -> float:
    a, b = np.pad(first[0, 0].numpy(), 4), second[0, 0].numpy()
    return float(convolve2d(a, b[::-1, ::-1], mode="full").max() / np.linalg.norm(a) / np.linalg.norm(b))


def test_derivatives_are_scipys(sharp):
    image = sharp[0, 0].double().numpy()
    places = np.arange(-5.0, 6)
    bell = np.exp(-(places**2) / 2)
    first, second = places * bell, (places**2 - 1) * bell
    x = convolve2d(image, np.outer(bell, first) / np.linalg.norm(bell) / np.linalg.norm(first), mode="valid")
    y = convolve2d(image, np.outer(first, bell) / np.linalg.norm(bell) / np.linalg.norm(first), mode="valid")
    xx = convolve2d(image, np.outer(bell, second) / np.linalg.norm(bell) / np.linalg.norm(second), mode="valid")
    yy = convolve2d(image, np.outer(second, bell) / np.linalg.norm(bell) / np.linalg.norm(second), mode="valid")
    xy = convolve2d(image, np.outer(first, first) / np.linalg.norm(bell) / np.linalg.norm(second), mode="valid")
    found = derivatives(sharp.double())[0].numpy()
    np.testing.assert_allclose(found[0], x, atol=1e-10)
    np.testing.assert_allclose(found[4], y, atol=1e-10)  # 90 degrees
    np.testing.assert_allclose(found[2], (x + y) / np.sqrt(2), atol=1e-10)
    np.testing.assert_allclose(found[10], (xx + yy) / 2 + xy, atol=1e-10)


def test_finds_the_kernel_between_a_blurry_and_a_sharp_image(sharp):
    kernel = motion(13)
    blurry = (blurred(sharp, kernel) * 255).round() / 255
    found = sparse_kernel(blurry, sharp, 13, steps=4)
    assert found.min() >= 0 and found.sum().item() == pytest.approx(1, abs=1e-5)
    assert similarity(found, kernel) > 0.94
    assert residual(blurry, sharp, found).item() < 0.02


def test_no_blur_is_a_single_tap(sharp):
    found = sparse_kernel(sharp, sharp, 9, steps=8)
    assert found[0, 0, 4, 4] > 0.9


def test_images_do_not_depend_on_each_other_and_flat_ones_get_a_single_tap(sharp):
    blurry = blurred(sharp, motion(9))
    batch = torch.cat([torch.full_like(sharp, 0.4), blurry])
    found = sparse_kernel(batch, torch.cat([torch.full_like(sharp, 0.4), sharp]), 9, (8.0,), steps=1)
    assert found[0, 0, 4, 4] == 1 and found[0].sum() == 1
    assert torch.allclose(found[1:], sparse_kernel(blurry, sharp, 9, (8.0,), steps=1), atol=1e-5)


def test_the_residual_is_the_root_mean_square(sharp):
    delta = torch.zeros(1, 1, 5, 5)
    delta[..., 2, 2] = 1
    assert residual(sharp + 0.1, sharp, delta).item() == pytest.approx(0.1, rel=1e-3)
