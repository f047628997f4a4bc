"""The kernel's least squares against the stacked system: its Gram matrix, its right side, SciPy's nnls."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from facedeblur.baselines.deconvolution.gram import correlations, gram_matrix, nonnegative_quadratic
from facedeblur.baselines.deconvolution.masked import MaskedConvolution

SIDE = 5


@pytest.fixture
def system():
    """Two systems: model, scenes, data, and the matrices W whose columns are the shifted scenes within the mask."""
    random = torch.Generator().manual_seed(0)
    data = torch.randn(2, 2, 14, 17, dtype=torch.float64, generator=random)
    model = MaskedConvolution(14, 17, SIDE, data)
    scenes = torch.randn(2, 2, *model.size, dtype=torch.float64, generator=random)
    columns = []
    for tap in range(SIDE**2):
        kernel = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.float64)
        kernel.view(2, -1)[:, tap] = 1
        columns.append(model.crop(model.forward(scenes, model.transfer(kernel))).flatten(1))
    return model, scenes, data, torch.stack(columns, dim=-1)


def test_gram_matrix_and_right_side_are_those_of_the_stacked_system(system):
    model, scenes, data, W = system
    torch.testing.assert_close(gram_matrix(model, scenes), W.mT @ W)
    right = correlations(model, scenes, model.place(data))
    torch.testing.assert_close(right, torch.einsum("bpt,bp->bt", W, data.flatten(1)))


def test_nonnegative_solution_is_that_of_nnls(system):
    model, scenes, data, W = system
    start = torch.full((2, SIDE**2), 1 / SIDE**2, dtype=torch.float64)
    found = nonnegative_quadratic(gram_matrix(model, scenes), correlations(model, scenes, model.place(data)), start)
    for b in range(2):
        expected = nnls(W[b].numpy(), data[b].flatten().numpy())[0]
        assert 0 < (expected == 0).sum() < SIDE**2  # some bounds are active, some are not
        np.testing.assert_allclose(found[b], expected, atol=1e-9)


def test_a_system_of_zeros_leaves_the_start_as_it_is(system):
    start = torch.rand(1, 9)
    found = nonnegative_quadratic(torch.zeros(1, 9, 9), torch.zeros(1, 9), start)
    assert torch.equal(found, start)
