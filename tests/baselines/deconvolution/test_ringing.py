"""The last step of the text and dark-channel methods: total variation, and the bilateral filter by its definition."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.restoration import unsupervised_wiener

from facedeblur.baselines.deconvolution.fourier import circular_convolve, differences
from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep
from facedeblur.baselines.deconvolution.ringing import bilateral, remove_ringing, total_variation

from ..rendered import blurred_polygons, gain


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_known_kernel_gives_the_image_back(strength):
    example = blurred_polygons(13, 128)
    restored = remove_ringing(example.blurry, example.kernel, strength=strength)
    wiener, _ = unsupervised_wiener(example.blurry[0, 0].numpy(), example.kernel[0, 0].numpy(), rng=0)
    assert gain(restored, example) >= 8
    assert gain(restored, example) > gain(torch.from_numpy(wiener)[None, None].float(), example)


def test_total_variation_lowers_what_it_minimises():
    example = blurred_polygons(9, 64)
    kernel, blurry, weight = example.kernel.double(), example.blurry.double(), 2e-3

    def cost(latent):
        misfit = (circular_convolve(latent, kernel) - blurry).square().sum()
        return float(misfit + weight * sum(gradient.abs().sum() for gradient in differences(latent)))

    problem = QuadraticStep(blurry)
    problem.set_kernel(kernel)
    made = total_variation(problem, blurry, weight)
    unregularised = problem.solve(torch.zeros_like(blurry), 1e-6)
    assert cost(made) < 0.5 * min(cost(blurry), cost(unregularised))
    for seed in range(3):
        noise = torch.randn(made.shape, generator=torch.Generator().manual_seed(seed), dtype=made.dtype)
        assert cost(made) < cost(made + 0.01 * noise)


@pytest.mark.parametrize("colour", [False, True])
def test_the_bilateral_filter_measures_gray_values_or_lab(colour):
    image = blurred_polygons(5, 24, colour=colour).sharp.double() * 2 - 0.5  # values outside [0, 1], too
    made = bilateral(image, radius=2)
    values = np.pad(image[0].numpy(), ((0, 0), (2, 2), (2, 2)), mode="edge")
    guide = rgb2lab(np.moveaxis(values.clip(0, 1), 0, -1)) / 100 if colour else values[0][..., None]
    for row, column in [(0, 0), (3, 17), (23, 23), (12, 5)]:
        window = (slice(row, row + 5), slice(column, column + 5))
        distance = ((guide[window] - guide[row + 2, column + 2]) ** 2).sum(-1)
        space = np.add.outer(np.arange(-2, 3) ** 2, np.arange(-2, 3) ** 2)
        weight = np.exp(-space / (2 * 3**2) - distance / (2 * 0.1**2))
        expected = (values[(slice(None), *window)] * weight).sum((1, 2)) / weight.sum()
        np.testing.assert_allclose(made[0, :, row, column], expected, atol=2e-3)
