"""Xu et al.: their closed forms against written-out systems, and against the objective they minimise."""

import numpy as np
import torch

from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep
from facedeblur.baselines.xu13 import Xu13, closed_form_kernel


def test_kernel_solves_its_normal_equations_over_the_whole_period():
    random = torch.Generator().manual_seed(0)
    latent, blurred = torch.randn(2, 1, 2, 9, 9, dtype=torch.float64, generator=random).unbind(0)
    made = closed_form_kernel(latent, torch.fft.rfft2(blurred), 9, weight=3.0)[0, 0]
    taps = [(i - 4, j - 4) for i in range(9) for j in range(9)]
    columns = np.stack([latent.roll(tap, (-2, -1)).numpy().ravel() for tap in taps], axis=1)
    expected = np.linalg.solve(columns.T @ columns + 3 * np.eye(81), columns.T @ blurred.numpy().ravel())
    np.testing.assert_allclose(made, expected.reshape(9, 9), atol=1e-10)


def test_with_a_single_tap_and_no_strong_gradient_the_latent_image_is_smoothed():
    """Gradients below every eps vanish: each solve is (1 + lambda / eps^2 D'D) x = y, of which the last one counts."""
    image = 0.02 * torch.rand(1, 1, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    delta = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    problem = QuadraticStep(image)
    problem.set_kernel(delta)
    made = Xu13()._latent(problem, image).flatten()
    rows = torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)
    differences = torch.cat([(rows.roll(-1, d) - rows).view(144, 144).T for d in (-1, -2)])
    system = torch.eye(144, dtype=torch.float64) + 2e-3 / 0.125**2 * differences.T @ differences
    torch.testing.assert_close(made, torch.linalg.solve(system, image.flatten()))
