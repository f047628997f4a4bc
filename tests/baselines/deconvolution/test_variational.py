"""The steps of variational Bayes against dense solutions, and the bound of Zhang et al. that they may not raise."""

import pytest
import torch
from scipy.optimize import nnls

from facedeblur.baselines.deconvolution.variational import GradientModel

SIDE, STEPS = 3, 400


@pytest.fixture
def state():
    """A model of two small images, kernels, precisions, noise; and the dense matrices H of data by unknowns."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(*shape, dtype=torch.float64, generator=random)

    gradients = GradientModel(draw(2, 2, 9, 8) - 0.5, SIDE)
    kernel = draw(2, 1, SIDE, SIDE)
    gradients.set_kernel(kernel)
    precision, noise = 1 + 9 * draw(*gradients.data.shape), draw(2, 1, 1, 1) + 0.1
    transfer, unknowns = gradients.model.transfer(kernel), gradients.data[0, 0].numel()
    units = torch.eye(unknowns, dtype=torch.float64).view(unknowns, 1, *gradients.model.size)
    H = torch.stack([gradients.model.forward(units, t[None])[:, 0].flatten(1).T for t in transfer])
    return gradients, kernel, precision, noise, H


def test_mean_and_variance_are_those_of_the_dense_system(state):
    gradients, _, precision, noise, H = state
    mean = gradients.mean(noise, precision, torch.zeros_like(precision), STEPS)
    variance = gradients.variance(noise, precision)
    for b in range(2):
        for direction in range(2):
            system = H[b].T @ H[b] / noise[b, 0, 0, 0] + precision[b, direction].flatten().diag()
            right = H[b].T @ gradients.data[b, direction].flatten() / noise[b, 0, 0, 0]
            torch.testing.assert_close(mean[b, direction].flatten(), torch.linalg.solve(system, right))
            torch.testing.assert_close(variance[b, direction].flatten(), 1 / system.diagonal())


def test_kernel_is_nnls_of_the_expected_misfit(state):
    gradients, kernel, precision, noise, _ = state
    mean = gradients.mean(noise, precision, torch.zeros_like(precision), 20)
    variance = gradients.variance(noise, precision)
    found = gradients.kernel(mean, variance, kernel)
    units = torch.eye(SIDE**2, dtype=torch.float64).view(SIDE**2, 1, SIDE, SIDE)
    transfer = gradients.model.transfer(units)
    for b in range(2):
        shifted = gradients.model.forward(mean[b : b + 1], transfer).flatten(1).T
        spread = gradients.model.window_sums(variance)[b].sum(0).flatten().sqrt().diag()
        stacked = torch.cat([shifted, spread])
        right = torch.cat([gradients.data[b].flatten(), torch.zeros(SIDE**2, dtype=torch.float64)])
        expected = torch.from_numpy(nnls(stacked.numpy(), right.numpy())[0])
        torch.testing.assert_close(found[b].flatten(), expected, atol=1e-8, rtol=0)
        gradients.set_kernel(found)
        least = (stacked @ expected - right).square().sum()
        torch.testing.assert_close(gradients.misfit(mean, variance)[b].squeeze(), least)
        gradients.set_kernel(kernel)


def test_no_update_raises_the_cost_of_zhang_et_al(state):
    """Their equation 8 with the noise's share; majorisation-minimisation may not raise it, whichever update is made."""
    gradients, kernel, precision, noise, _ = state
    mean, spread = torch.zeros_like(precision), 1 / precision

    def cost():
        residual = gradients.data - gradients.model.forward(mean, gradients.model.transfer(kernel))
        visible = gradients.model.visibility(kernel)
        misfit = residual.square().sum((1, 2, 3)) / noise.flatten()
        prior = (mean.square() / spread + torch.log(noise + spread * visible)).sum((1, 2, 3))
        return misfit + prior + (gradients.count - mean[0].numel()) * noise.flatten().log()

    costs = [cost()]
    for _ in range(12):
        gradients.set_kernel(kernel)
        variance = gradients.variance(noise, 1 / spread)
        mean = gradients.mean(noise, 1 / spread, mean, STEPS)
        costs.append(cost())
        spread = mean.square() + variance
        costs.append(cost())
        kernel = gradients.kernel(mean, variance, kernel)
        costs.append(cost())
        gradients.set_kernel(kernel)
        noise = gradients.misfit(mean, variance) / gradients.count
        costs.append(cost())
    falls = -torch.stack(costs).diff(dim=0)
    assert (falls >= -1e-7).all()
    assert (falls.view(12, 4, 2).sum(0) > 1e-3).all()  # and each of the four updates does lower it
