"""Conjugate gradients against dense solutions."""

import torch

from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient


def test_as_many_steps_as_unknowns_solve_every_plane_by_itself():
    random = torch.Generator().manual_seed(0)
    factor = torch.randn(2, 3, 12, 12, dtype=torch.float64, generator=random)
    matrix = factor @ factor.mT + torch.eye(12, dtype=torch.float64)
    right = torch.randn(2, 3, 4, 3, dtype=torch.float64, generator=random)

    def apply(x):
        return (matrix @ x.flatten(-2)[..., None]).view_as(x)

    found = conjugate_gradient(apply, right, torch.zeros_like(right), 14)
    expected = torch.linalg.solve(matrix, right.flatten(-2)[..., None]).view_as(right)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    alone = conjugate_gradient(lambda x: (matrix[1:, 1:2] @ x.flatten(-2)[..., None]).view_as(x),
                               right[1:, 1:2], torch.zeros_like(right[1:, 1:2]), 5)  # fmt: skip
    together = conjugate_gradient(apply, right, torch.zeros_like(right), 5)
    torch.testing.assert_close(together[1:, 1:2], alone, rtol=1e-9, atol=1e-12)


def test_a_solved_plane_stays_as_it_is():
    right = torch.stack([torch.zeros(3, 3), torch.ones(3, 3)])[None]
    found = conjugate_gradient(lambda x: 2 * x, right, torch.zeros_like(right), 5)
    assert torch.equal(found[0, 0], torch.zeros(3, 3)) and torch.allclose(found[0, 1], torch.full((3, 3), 0.5))


def test_what_is_within_the_tolerance_stays_as_it_is():
    scale = torch.tensor([1.0, 2.0, 5.0])
    start = torch.full((2, 1, 1, 3), 1 / 3)
    right = torch.stack((scale / 3, torch.ones(3)))[:, None, None]
    x = conjugate_gradient(lambda v: v * scale, right, start, 10, tolerance=1e-6)
    assert torch.equal(x[0], start[0])
    assert torch.allclose(x[1, 0, 0], 1 / scale, atol=1e-5)
