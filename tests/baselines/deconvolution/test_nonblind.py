"""Deconvolution with a known kernel: shrinkage by brute force, written-out operators, a rendered image recovered."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.signal import convolve2d
from skimage.restoration import unsupervised_wiener

from facedeblur.baselines.deconvolution.hyper_laplacian import hyper_laplacian, shrink, tapered
from facedeblur.baselines.deconvolution.sparse import add_prior, derivatives, sparse_deconvolution
from facedeblur.baselines.deconvolution.split_bregman import split_bregman

from ..rendered import blurred_polygons, gain

METHODS = {"hyper_laplacian": hyper_laplacian, "split_bregman": split_bregman, "sparse": sparse_deconvolution}


@pytest.mark.parametrize("alpha", [0.5, 2 / 3, 0.8, 1])
def test_shrink_finds_the_least_cost(alpha):
    rng = np.random.default_rng(0)
    for v, beta in zip(rng.uniform(-3, 3, 200), 2.0 ** rng.uniform(0, 8, 200), strict=True):

        def cost(w, v=v, beta=beta):
            return abs(w) ** alpha + beta / 2 * (w - abs(v)) ** 2

        # between the inflection and |v| the cost has at most one minimum; the other candidate is 0
        inflection = (alpha * (1 - alpha) / beta) ** (1 / (2 - alpha)) if alpha < 1 else 0
        best = 0.0
        if inflection < abs(v):
            found = minimize_scalar(cost, bounds=(inflection, abs(v)), method="bounded", options={"xatol": 1e-12})
            best = found.x if found.fun < cost(0) else 0.0
        made = shrink(torch.tensor([v], dtype=torch.float64), beta, alpha).item()
        assert abs(made - np.sign(v) * best) < 1e-5


def test_shrink_in_float32_keeps_zero_and_large_values():
    values = torch.tensor([0.0, -0.0, 1e-30, 5.0, -100.0])
    made = shrink(values, 8.0, 0.5)
    assert torch.equal(made[:3], torch.zeros(3))
    assert torch.allclose(made[3:], values[3:], atol=0.05) and (made[3:].abs() < values[3:].abs()).all()


def test_derivatives_are_valid_convolutions_and_the_prior_is_built_of_their_adjoints():
    filters = ([[1, -1]], [[1], [-1]], [[-1, 2, -1]], [[-1], [2], [-1]], [[-1, 1], [1, -1]])
    rng = np.random.default_rng(0)
    plane, image = rng.random((9, 7)), torch.zeros(1, 1, 9, 7, dtype=torch.float64)
    planes = torch.from_numpy(plane)[None, None]
    weights = type(derivatives(planes))(*(torch.rand_like(d) for d in derivatives(planes)))
    add_prior(image, planes, weights)
    expected = np.zeros((9, 7))
    for f, d, weight in zip(filters, derivatives(planes), weights, strict=True):
        response = convolve2d(plane, np.rot90(f, 2), mode="valid")
        np.testing.assert_allclose(d[0, 0].abs(), np.abs(response), atol=1e-12)
        expected += convolve2d(weight[0, 0].numpy() * response, f, mode="full")
    np.testing.assert_allclose(image[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_rendered_image_comes_back(method):
    example = blurred_polygons(13, 128)
    restored = METHODS[method](example.blurry, example.kernel)
    wiener, _ = unsupervised_wiener(example.blurry[0, 0].numpy(), example.kernel[0, 0].numpy(), rng=0)
    assert gain(restored, example) > 7
    assert gain(restored, example) > gain(torch.from_numpy(wiener)[None, None], example)


@pytest.mark.parametrize("method", METHODS)
def test_without_blur_little_changes(method):
    example = blurred_polygons(13, 64, colour=True)
    delta = torch.zeros(1, 1, 5, 5)
    delta[..., 2, 2] = 1
    assert (METHODS[method](example.sharp, delta) - example.sharp).abs().mean() < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_every_image_has_its_own_kernel_and_types_agree(method):
    a, b = blurred_polygons(9, 48, colour=True), blurred_polygons(9, 48, colour=True, seed=1)
    images, kernels = torch.cat([a.blurry, b.blurry]), torch.cat([a.kernel, b.kernel])
    together = METHODS[method](images, kernels)
    for i, example in enumerate((a, b)):
        alone = METHODS[method](example.blurry, example.kernel)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)
        double = METHODS[method](example.blurry.double(), example.kernel.double())
        assert double.dtype == torch.float64 and (double - alone).abs().max() < 1e-2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_image_stays_constant(method, value):
    # with this kernel, conjugate gradients that go on where all is solved leave the solution by more than 0.8
    kernel = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    images = torch.full((1, 3, 20, 24), value)
    assert torch.allclose(METHODS[method](images, kernel / kernel.sum()), images, atol=1e-3)


def test_tapered_borders_are_half_a_kernel_or_more_and_the_index_undoes_them():
    images = torch.rand(2, 3, 33, 40)
    kernels = torch.zeros(2, 1, 9, 9)
    kernels[..., 4, 4] = 1  # a delta tapers nothing
    grown, inside = tapered(images, kernels)
    assert grown.shape[-2] >= 41 and grown.shape[-1] >= 48
    assert torch.allclose(grown[inside], images, atol=1e-6)
