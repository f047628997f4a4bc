"""Krishnan et al.: sizes of the levels, the cost and its shrinkage, the kernel's line search, both releases."""

import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.signal import convolve2d

from facedeblur.baselines.krishnan11 import Krishnan11, LatentStep, kernel_step, level_sides, with_norm

from .rendered import blurred_polygons, kernel_similarity


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("side", "coarsest", "sides"),
    [(15, 3, [3, 5, 9, 13, 15]), (15, 5, [5, 9, 13, 15]), (31, 3, [3, 5, 9, 13, 19, 27, 31]), (3, 5, [3])],
)
def test_sides_of_the_levels(side, coarsest, sides):
    assert level_sides(side, coarsest) == sides


def test_cost_is_the_papers():
    blurred, kernel, x = draw(1, 2, 12, 10) - 0.5, draw(1, 1, 3, 3, seed=1), draw(1, 2, 12, 10, seed=2) - 0.5
    step = LatentStep(blurred, 3, 30.0, renormalised=False)
    placed = step.model.place(x)
    cost = step.cost(placed, step.blurred - step.model.forward(placed, step.model.transfer(kernel)))
    expected = 0.0
    for plane, data in zip(x[0].numpy(), blurred[0].numpy(), strict=True):
        expected += 15 * ((convolve2d(plane, kernel[0, 0].numpy(), mode="same") - data) ** 2).sum()
        expected += abs(plane).sum() / (plane**2).sum() ** 0.5
    assert cost.item() == pytest.approx(expected)


def test_shrinkage_lowers_the_cost_while_the_norm_is_held():
    """ISTA's step is safe for step * weight * |x|_2 * |K|^2 <= 1, as it is here; the norm is that at the start."""
    kernel = torch.tensor([[[[0.0, 0.2, 0], [0.3, 0.3, 0], [0, 0.2, 0]]]], dtype=torch.float64)
    blurred = with_norm(draw(1, 2, 20, 20) - 0.5, 6.0)
    step = LatentStep(blurred, 3, 30.0, renormalised=False)
    start = step.blurred
    norms = start.square().sum((-2, -1), keepdim=True).sqrt()

    def held(x):
        residual = step.blurred - step.model.forward(x, step.model.transfer(kernel))
        by_plane = 15 * residual.square().sum((-2, -1), keepdim=True) + x.abs().sum((-2, -1), keepdim=True) / norms
        return by_plane

    transfer, x, costs = step.model.transfer(kernel), start, [held(start)]
    for _ in range(5):
        rate = 30.0 * step.step * norms
        v = x + rate * step.model.adjoint(step.blurred - step.model.forward(x, transfer), transfer) * step.model.mask
        x = torch.nn.functional.softshrink(v, 1e-3)
        costs.append(held(x))
    assert (torch.stack(costs).diff(dim=0) < 0).all()
    made, _ = step._shrink(start, step.blurred - step.model.forward(start, transfer), transfer)
    assert (made * (1 - step.model.mask)).abs().max() == 0
    assert (held(made) < held(start)).all()


def test_a_step_that_costs_much_more_is_taken_back_for_that_image_alone():
    kernel = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    kernel[..., 1, 1] = 1
    blurred = draw(2, 2, 16, 16) - 0.5
    blurred[0] *= 1e4  # so large a gradient step overshoots
    step = LatentStep(blurred, 3, 30.0, renormalised=False)
    made = step(step.blurred * 0.99, kernel)
    assert step.step.flatten()[0] < 1e-4 and torch.equal(made[0], step.blurred[0] * 0.99)
    assert step.step.flatten()[1] == 1e-3 and not torch.equal(made[1], step.blurred[1] * 0.99)


def test_kernel_step_is_an_exact_line_search():
    x, kernel = draw(1, 2, 16, 14) - 0.5, draw(1, 1, 3, 3, seed=1)
    kernel = kernel / kernel.sum()
    step = LatentStep(draw(1, 2, 16, 14, seed=2) - 0.5, 3, 30.0, renormalised=False)
    blurred = step.model.crop(step.blurred)
    psi = 2.0

    def cost(k):
        reweighted = psi * (k.square() / kernel.clamp_min(1e-4)).sum()
        valid = [
            (torch.from_numpy(convolve2d(plane.numpy(), k[0, 0].numpy(), "valid")) - data[1:-1, 1:-1]).square().sum()
            for plane, data in zip(x[0], blurred[0], strict=True)
        ]
        return float(sum(valid) + reweighted)

    slope = torch.zeros_like(kernel)
    for i in range(9):
        unit = torch.zeros_like(kernel)
        unit.view(-1)[i] = 1e-4
        slope.view(-1)[i] = (cost(kernel + unit) - cost(kernel - unit)) / 2e-4
    best = minimize_scalar(
        lambda t: cost(kernel - t * slope), bounds=(0, 1), method="bounded", options={"xatol": 1e-12}
    )
    expected = (kernel - best.x * slope).clamp_min(0)
    made = kernel_step(step.model, step.model.place(x), step.blurred, kernel, psi)
    torch.testing.assert_close(made, expected / expected.sum(), atol=1e-6, rtol=0)


def test_the_later_release_is_another_method():
    example = blurred_polygons(9, 80)
    first, later = (Krishnan11(release=name).estimate(example.blurry, 9) for name in ("first", "later"))
    assert kernel_similarity(first, later) < 0.99
    assert kernel_similarity(later, example.kernel) > 0.6
    with pytest.raises(ValueError, match="first, later"):
        Krishnan11(release="middle")
