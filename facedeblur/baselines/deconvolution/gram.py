"""The kernel as a nonnegative least-squares problem in its taps.

With the scene x and the data y at hand, |M (k * x) - y|^2 = k'Gk - 2 k'b + const, G the Gram matrix of the shifted
scenes within the mask. G is small (side^2 x side^2) and found without unfolding the image in both axes; the problem
with k >= 0 is then solved by accelerated projected gradients (FISTA, Beck and Teboulle 2009).
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.masked import MaskedConvolution


def gram_matrix(model: MaskedConvolution, planes: Tensor) -> Tensor:
    """G of scenes (B, C, *model.size), summed over C: (B, side^2, side^2), taps of a kernel in row-major order.

    G[j, l] = sum over data positions p of x(p - j) x(p - l). Rows and columns are treated apart: products of two rows
    are made for every pair of horizontal shifts by one matrix product, and then summed over the window of data in the
    vertical.
    """
    side = model.side
    (height, width), (rows, columns) = model.image, model.scene
    scene = planes[..., :rows, :columns].flip((-2, -1))  # a convolution with k is a correlation of the flipped scene
    batch, channels = scene.shape[:2]
    windows = scene.new_zeros(batch, rows + side - 1, side, channels * width)
    unfolded = scene.unfold(-1, width, 1).permute(0, 2, 3, 1, 4)  # (B, rows, side, C, width)
    windows[:, :rows].view(batch, rows, side, channels, width).copy_(unfolded)
    strides = windows.stride()
    shape = (batch, rows, side * side, channels * width)
    following = windows.as_strided(shape, (strides[0], strides[1], strides[2], 1))  # of each row and the side - 1 next
    products = torch.stack([a[:rows] @ b.mT for a, b in zip(windows, following, strict=True)])
    inside = _bands(side, rows, height, scene) @ products.flatten(2)
    # (B, row shift r, column shift, rows below r, column shift of that)
    upper = inside.view(batch, side, side, side, side)
    shift = torch.arange(side, device=scene.device)
    first, second = shift[:, None], shift[None, :]
    below = upper.permute(0, 1, 3, 2, 4)[:, torch.minimum(first, second), (first - second).abs()]
    oriented = torch.where((second >= first)[..., None, None], below, below.mT)
    return oriented.permute(0, 1, 3, 2, 4).reshape(batch, side * side, side * side)


def _bands(side: int, rows: int, height: int, like: Tensor) -> Tensor:
    """(side, rows): row r sums the `height` rows from r on."""
    row = torch.arange(rows, device=like.device)[None]
    first = torch.arange(side, device=like.device)[:, None]
    return ((row >= first) & (row < first + height)).to(like.dtype)


def correlations(model: MaskedConvolution, planes: Tensor, data: Tensor) -> Tensor:
    """b of scenes and data (B, C, *model.size), data zero outside the mask, summed over C: (B, side^2)."""
    return model.correlate(planes, torch.fft.rfft2(data)).sum(1).flatten(1)


def nonnegative_quadratic(matrix: Tensor, right: Tensor, start: Tensor, iterations: int = 400) -> Tensor:
    """The k >= 0 with the least k'Gk - 2 k'b, for G (B, n, n), b and start (B, n), by FISTA, in float64.

    Momentum starts anew where it points uphill (O'Donoghue and Candes 2015). A system is done when a step changes its k
    by less than 1e-12 of the largest entry, and then stays as it is, whatever the others need.
    """
    dtype = right.dtype
    G, b, k = (t.double() for t in (matrix, right, start))
    step = 1 / _largest_eigenvalue(G).clamp(min=torch.finfo(torch.float64).tiny)
    extrapolated, momentum = k, torch.ones_like(step)
    result, done = k, torch.zeros_like(step, dtype=torch.bool)
    for turn in range(iterations):
        new = (extrapolated - step * (_times(G, extrapolated) - b)).clamp_(min=0)
        moved = new - k
        uphill = ((extrapolated - new) * moved).sum(-1, keepdim=True) > 0
        momentum = torch.where(uphill, 1.0, momentum)
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        extrapolated = torch.addcmul(new, torch.where(uphill, 0.0, (momentum - 1) / following), moved)
        k, momentum = new, following
        if turn % 10 == 9 or turn == iterations - 1:
            result = torch.where(done, result, k)
            done |= moved.abs().amax(-1, keepdim=True) <= 1e-12 * k.amax(-1, keepdim=True)
            if bool(done.all()):
                break
    return result.to(dtype)


def _times(symmetric: Tensor, vectors: Tensor) -> Tensor:
    """G v for symmetric G; as a row times a matrix it is several times faster than as a matrix times a column."""
    return torch.bmm(vectors[:, None], symmetric)[:, 0]


def _largest_eigenvalue(matrix: Tensor, iterations: int = 30) -> Tensor:
    """An upper estimate of the largest eigenvalues, (B, 1): by power iteration, with 5 % to spare."""
    vector = torch.ones_like(matrix[..., 0])
    # a start without symmetry: a gradient image's largest eigenvector may be orthogonal to a constant
    vector = vector + torch.linspace(-1, 1, vector.shape[-1], dtype=matrix.dtype, device=matrix.device).sin()
    norm = vector.norm(dim=-1, keepdim=True)
    for _ in range(iterations):
        vector = _times(matrix, vector / norm)
        norm = vector.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny)
    return 1.05 * norm
