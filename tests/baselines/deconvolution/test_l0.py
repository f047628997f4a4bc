"""L0 latent images: the normal equations, thresholds by brute force, the dark channel in both of its forms."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu

from facedeblur.baselines.deconvolution import l0
from facedeblur.baselines.deconvolution.fourier import circular_convolve, differences, divergence
from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep

from ..rendered import blurred_polygons, gain


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_solutions_satisfy_the_normal_equations(dtype):
    blurry, pull = random(2, 3, 24, 20).to(dtype), random(2, 3, 24, 20, seed=1).to(dtype)
    kernel = random(2, 1, 5, 5, seed=2).to(dtype)
    kernel /= kernel.sum((-2, -1), keepdim=True)
    h, v = (random(2, 3, 24, 20, seed=seed).to(dtype) for seed in (3, 4))
    gamma, beta = torch.tensor([0.5, 3.0], dtype=dtype)[:, None, None, None], 7.0
    problem = QuadraticStep(blurry)
    problem.set_kernel(kernel)
    problem.set_pull(pull, gamma)
    made = problem.solve(divergence(h, v), beta)
    dh, dv = differences(made)
    misfit = circular_convolve(circular_convolve(made, kernel) - blurry, kernel.flip(-2, -1))
    residual = misfit + beta * divergence(dh - h, dv - v) + gamma * (made - pull)
    assert residual.norm() / (beta * divergence(h, v)).norm() < 1e-5
    problem.set_kernel(kernel)  # ends the pull
    without = problem.solve(divergence(h, v), beta)
    assert not torch.allclose(without, made)


class Recorder:
    """Stands in for a QuadraticStep: keeps what it is asked."""

    def __init__(self) -> None:
        self.asked = []

    def solve(self, divergence: torch.Tensor, beta: float) -> torch.Tensor:
        self.asked.append((divergence, beta))
        return random(*divergence.shape, seed=len(self.asked))


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_kept_where_that_costs_less(channels):
    image, weight, problem = random(1, channels, 12, 10), 0.05, Recorder()
    l0.sparse_gradients(problem, image, weight)
    assert [beta for _, beta in problem.asked] == [2 * weight * 2**i for i in range(20)]
    assert problem.asked[-1][1] < 1e5 <= 2 * problem.asked[-1][1]
    for latent, (made, beta) in zip([image, random(*image.shape, seed=1)], problem.asked[:2], strict=True):
        gradients = np.stack([np.roll(latent.numpy(), -1, axis) - latent.numpy() for axis in (-1, -2)])
        lost = beta * (gradients**2).sum((0, 2), keepdims=True)  # the price of zero; that of the value is `weight`
        gradients *= lost >= weight
        expected = sum(np.roll(g, 1, axis) - g for g, axis in zip(gradients, (-1, -2), strict=True))
        np.testing.assert_allclose(made, expected, atol=1e-12)


def test_pixels_become_black_where_that_costs_less():
    latent, weight, gamma = random(1, 1, 9, 9) - 0.3, 0.02, 0.4
    made = l0.black_pixels(latent, torch.tensor(weight / gamma))
    costs = {0.0: gamma * latent**2, 1.0: torch.full_like(latent, weight)}
    expected = torch.where(costs[1.0] <= costs[0.0], latent, torch.zeros_like(latent))
    assert torch.equal(made, expected) and 0 < (made == 0).sum() < made.numel()


@pytest.mark.parametrize("patch", [1, 3, 5, 35])
@pytest.mark.parametrize("size", [(40, 37), (9, 50)])
def test_the_opening_is_scipys(patch, size):
    image = random(2, 1, *size)
    for plane, made in zip(image, l0.opening(image, patch), strict=True):
        np.testing.assert_array_equal(made[0], ndimage.grey_opening(plane[0].numpy(), (patch, patch), mode="nearest"))


def test_the_dark_channel_by_opening_is_that_by_the_minima_of_patches():
    patch, bound = 5, 0.02
    image = random(1, 1, 30, 26)
    plane, margin = image[0, 0].numpy(), patch // 2
    expected = plane.copy()
    wrapped = np.pad(plane, margin, mode="edge")
    for row in range(plane.shape[0]):
        for column in range(plane.shape[1]):
            window = wrapped[row : row + patch, column : column + patch]
            if window.min() ** 2 >= bound:
                continue
            for y, x in np.argwhere(window == window.min()):  # every minimum of a dark patch becomes black
                y, x = y + row - margin, x + column - margin
                if margin <= y < plane.shape[0] - margin and margin <= x < plane.shape[1] - margin:
                    expected[y, x] = 0
    made = l0.DarkChannel(patch)(image, torch.tensor(bound))[0, 0]
    np.testing.assert_array_equal(made, expected)
    assert (made == 0).sum() > 20


def test_an_image_within_the_band_keeps_its_pixels():
    image = random(1, 1, 34, 90)
    assert l0.DarkChannel(35)(image, torch.tensor(1.0)) is image


def test_otsu_is_scikit_images():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 30, 30), np.uint8)
    pictures[1] //= 4
    pictures[2, :10] = 250
    made = l0.otsu(torch.from_numpy(pictures).double()[:, None] / 255)
    assert made.flatten().tolist() == pytest.approx([threshold_otsu(picture) / 255 for picture in pictures])
    assert l0.otsu(torch.full((1, 1, 4, 4), 0.5)).item() == 0


def objective(latent: torch.Tensor, blurry: torch.Tensor, kernel: torch.Tensor, weight: float) -> float:
    gradients = torch.stack(differences(latent)).square().sum(0)
    return float((circular_convolve(latent, kernel) - blurry).square().sum() + weight * (gradients > 1e-6).sum())


def test_the_latent_image_is_nearer_to_the_sharp_one_and_costs_less():
    example = blurred_polygons(9, 96)
    step = l0.LatentStep(example.blurry, 9)
    made = step.gradients(example.kernel, 4e-3)
    assert gain(made, example) > 2
    wrapped = step.wrapped
    step.problem.set_kernel(example.kernel)
    whole = l0.sparse_gradients(step.problem, wrapped, 4e-3)
    assert objective(whole, wrapped, example.kernel, 4e-3) < objective(wrapped, wrapped, example.kernel, 4e-3)


def test_images_that_start_apart_stop_apart():
    blurry, kernel = random(2, 1, 30, 30), torch.ones(2, 1, 3, 3, dtype=torch.float64) / 9
    starts = torch.tensor([4.0, 0.5], dtype=torch.float64)[:, None, None, None]
    together = l0.LatentStep(blurry, 3).gradients_and_pixels(kernel, 1e-2, 1e-2, l0.black_pixels, starts)
    for i in range(2):
        alone = l0.LatentStep(blurry[i : i + 1], 3)
        made = alone.gradients_and_pixels(kernel[:1], 1e-2, 1e-2, l0.black_pixels, starts[i : i + 1])
        assert torch.allclose(made[0], together[i], atol=1e-9)
