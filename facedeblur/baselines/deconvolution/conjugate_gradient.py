"""Conjugate gradients for many small systems at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SOLVED = 32  # residuals below so many units of rounding of the right side


def conjugate_gradient(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    start: Tensor,
    iterations: int,
    precondition: Callable[[Tensor], Tensor] | None = None,
    tolerance: float = 0.0,
) -> Tensor:
    """`iterations` steps towards the x of apply(x) = right, from `start`; every plane (B, C) is a system of its own.

    `apply` is symmetric and positive semidefinite in each plane. The number of steps is fixed, so that no system waits
    for or depends on another. One whose residual is rounding error of `right`, or of a norm of at most `tolerance`, is
    solved and stays as it is: further steps along rounding errors can leave the solution again.

    Args:
        apply: planes (B, C, H, W) -> planes of the same shape.
        precondition: nearly the inverse of `apply`, symmetric and positive semidefinite as well; the better it is, the
            fewer steps are needed.
    """
    x = start.clone()
    residual = right - apply(x)
    preconditioned = residual if precondition is None else precondition(residual)
    direction = preconditioned.clone()
    energy = _dot(residual, preconditioned)
    rounding = (SOLVED * torch.finfo(right.dtype).eps) ** 2 * _dot(right, right)
    solved = rounding.clamp_min(tolerance**2)
    for _ in range(iterations):
        unsolved = (energy if precondition is None else _dot(residual, residual)) > solved
        if right.device.type == "cpu" and not bool(unsolved.any()):  # elsewhere the question would cost a wait
            break
        image = apply(direction)
        step = torch.where(unsolved, ratio(energy, _dot(direction, image)), 0)
        x.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        preconditioned = residual if precondition is None else precondition(residual)
        before, energy = energy, _dot(residual, preconditioned)
        direction = torch.addcmul(preconditioned, ratio(energy, before), direction)
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of every plane, (B, C, 1, 1)."""
    return torch.linalg.vecdot(a.flatten(-2), b.flatten(-2))[..., None, None]


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their ratio, and 0 where the denominator is not above 0."""
    positive = denominator > 0
    return torch.where(positive, numerator / torch.where(positive, denominator, 1), 0)
