"""Deconvolution with a sparse prior on derivatives, by reweighted least squares (Levin et al., CVPR 2007 and 2011).

    min_x  |M (k * x - y)|^2 + weight * sum over f of rho_f(f * x),

with five filters f (the first differences in both directions, the second ones, the mixed one), the masked model, and
rho close to |.|^0.8. It is the last step of Pan 2014a, and the yardstick of the error ratios on Levin's images.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient
from facedeblur.baselines.deconvolution.masked import MaskedConvolution

FIRST_ORDER, SECOND_ORDER = 0.1, 0.025  # weights of the filters in the reweighted rounds; 1 in the quadratic round
EXPONENT, FLOOR = 0.8, 0.01


class Derivatives(NamedTuple):
    """The five derivatives of planes (B, C, H, W), each as far as its filter fits in, or a weight for each."""

    x: Tensor  # (B, C, H, W - 1)
    y: Tensor  # (B, C, H - 1, W)
    xx: Tensor  # (B, C, H, W - 2)
    yy: Tensor  # (B, C, H - 2, W)
    xy: Tensor  # (B, C, H - 1, W - 1)


def sparse_deconvolution(
    blurry: Tensor, kernels: Tensor, weight: float = 0.0068, iterations: int = 70, rounds: int = 2
) -> Tensor:
    """Images deconvolved with their kernels under a sparse prior of gradients, channel by channel.

    A quadratic round is followed by reweighted ones, each from the blurry image again.

    Args:
        blurry: (B, C, H, W) in [0, 1].
        kernels: (B, 1, side, side).
        weight: of the prior; .0068 in Levin's benchmark, .001 in Pan 2014a.
        iterations: of conjugate gradients a round; 70 in Levin's benchmark, 100 in Pan 2014a.
        rounds: reweighted ones.

    Returns:
        (B, C, H, W), not clamped.
    """
    model = MaskedConvolution(*blurry.shape[-2:], kernels.shape[-1], blurry)
    transfer = model.transfer(kernels)
    right = model.adjoint(model.place(blurry), transfer)
    start = model.place_replicated(blurry)
    rows, columns = model.scene
    weights = Derivatives(weight, weight, weight, weight, weight)
    x = start
    for reweighted in range(rounds + 1):
        if reweighted:
            weights = _weights(derivatives(x[..., :rows, :columns]), weight)

        def apply(planes: Tensor, weights: Derivatives = weights) -> Tensor:
            image = model.normal(planes, transfer)
            add_prior(image[..., :rows, :columns], planes[..., :rows, :columns], weights)
            return image

        x = conjugate_gradient(apply, right, start, iterations)
    return model.crop(x)


def derivatives(planes: Tensor) -> Derivatives:
    """The five derivatives of planes (B, C, H, W)."""
    x, y = planes.diff(dim=-1), planes.diff(dim=-2)
    return Derivatives(x, y, x.diff(dim=-1), y.diff(dim=-2), x.diff(dim=-2))


def _weights(d: Derivatives, weight: float) -> Derivatives:
    def of(values: Tensor, order: float) -> Tensor:
        return values.abs().clamp_min(FLOOR).pow_(EXPONENT - 2).mul_(order * weight)

    first, second = FIRST_ORDER, SECOND_ORDER
    return Derivatives(of(d.x, first), of(d.y, first), of(d.xx, second), of(d.yy, second), of(d.xy, second))


def add_prior(image: Tensor, planes: Tensor, weights: Derivatives) -> None:
    """Adds sum over f of F'(weight * F planes) to `image` in place; the second differences are those of the first."""
    d = derivatives(planes)
    x, y = d.x * weights.x, d.y * weights.y
    add_adjoint_difference(x, d.xx * weights.xx, -1)
    add_adjoint_difference(y, d.yy * weights.yy, -2)
    add_adjoint_difference(x, d.xy * weights.xy, -2)
    add_adjoint_difference(image, x, -1)
    add_adjoint_difference(image, y, -2)


def add_adjoint_difference(target: Tensor, values: Tensor, dim: int) -> None:
    """Adds the adjoint of `diff(dim=dim)`, applied to `values`, to the target in place."""
    length = values.shape[dim]
    target.narrow(dim, 1, length).add_(values)
    target.narrow(dim, 0, length).sub_(values)
