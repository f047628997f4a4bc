"""The kernel step against dense linear algebra, and on gradients that a known kernel blurred."""

import numpy as np
import pytest
import torch

from facedeblur.baselines.deconvolution.fourier import circular_convolve
from facedeblur.baselines.deconvolution.kernel_step import KernelStep


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5


def dense(latent: torch.Tensor, blurred: torch.Tensor, side: int, weight: float) -> np.ndarray:
    """The kernel from the stacked system: one column a tap, each a shifted copy of the latent gradients."""
    taps = [(i - side // 2, j - side // 2) for i in range(side) for j in range(side)]
    columns = np.stack([latent.roll(tap, (-2, -1)).numpy().ravel() for tap in taps], axis=1)
    normal = columns.T @ columns + weight * np.eye(len(taps))
    return np.linalg.solve(normal, columns.T @ blurred.numpy().ravel()).reshape(side, side)


@pytest.mark.parametrize("size", [(40, 40), (14, 11)])
def test_the_solution_is_that_of_the_dense_system(size):
    latent, blurred = random(2, 2, *size), random(2, 2, *size, seed=1)
    made = KernelStep(blurred, 9, weight=2.0, iterations=400, tolerance=1e-12)(latent)
    for i in range(2):
        np.testing.assert_allclose(made[i, 0], dense(latent[i], blurred[i], 9, 2.0), atol=1e-6)


def test_sharp_gradients_without_noise_give_the_kernel():
    kernel = random(1, 1, 7, 7, seed=2) + 0.5
    latent = random(1, 2, 64, 64)
    made = KernelStep(circular_convolve(latent, kernel), 7, weight=1e-9, iterations=200, tolerance=1e-12)(latent)
    assert torch.allclose(made, kernel, atol=1e-6)


def test_an_image_does_not_depend_on_its_batch():
    latent, blurred = random(3, 2, 40, 33).float(), random(3, 2, 40, 33, seed=1).float()
    latent[1] = 0  # converges at once
    together = KernelStep(blurred, 9, 2.0)(latent)
    for i in range(3):
        assert torch.equal(KernelStep(blurred[i : i + 1], 9, 2.0)(latent[i : i + 1])[0], together[i])
