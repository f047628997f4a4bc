"""Landmark errors and the curve behind the paper's tables: CED, its area (AUC) and the failure rate.

The conventions are menpofit's, which the paper's authors used: errors are normalised by the diagonal of the ground
truth's tight box, the area is Simpson's integral of the CED over [0, 0.08] divided by 0.08. A face that the localiser
does not find has the error infinity: it fails, and is never left out.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

LIMIT = 0.08  # errors above it are failures
STEP = 1e-4  # of the abscissa of the CED


def normalised_error(points: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Mean distance of corresponding points over the diagonal of the truth's tight box.

    Args:
        points, truth: (..., P, 2), in the same pixels.

    Returns:
        (...,) float64, in diagonals.

    Raises:
        ValueError: the shapes differ, or the truth has no extent.

    >>> truth = np.array([[0, 0], [30, 40]])  # a diagonal of 50
    >>> float(normalised_error(truth + [5, 0], truth))
    0.1
    """
    points, truth = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    if points.shape != truth.shape or truth.ndim < 2 or truth.shape[-1] != 2:
        raise ValueError(f"landmarks: two arrays (..., P, 2) expected, got {points.shape} and {truth.shape}")
    extent = truth.max(axis=-2) - truth.min(axis=-2)
    diagonal = np.sqrt((extent**2).sum(axis=-1))
    if not (diagonal > 0).all():
        raise ValueError("landmarks: the points of the truth all coincide, or are not finite")
    return np.sqrt(((points - truth) ** 2).sum(axis=-1)).mean(axis=-1) / diagonal


def ced(errors: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Cumulative error distribution: the share of the errors at or below each threshold (figure 7).

    Args:
        errors: (n,) of `normalised_error`, infinity where no face was found.
        thresholds: of any shape.

    Returns:
        Shares in [0, 1], in the shape of the thresholds.

    Raises:
        ValueError: no errors, or NaN among them.

    >>> ced([0.02, 0.04, np.inf, np.inf], [0.03, 0.08]).tolist()
    [0.25, 0.5]
    """
    ordered = np.sort(_checked(errors))
    return np.searchsorted(ordered, np.asarray(thresholds, np.float64), side="right") / len(ordered)


def auc(errors: ArrayLike, limit: float = LIMIT, step: float = STEP) -> float:
    """Area under the CED on [0, limit] by Simpson's rule over steps of `step`, divided by `limit`: in [0, 1].

    It is the mean of `area_shares`: the rule is linear in the CED, and the CED is the mean of one step function a face.

    Args:
        errors: (n,) of `normalised_error`, infinity where no face was found.
        limit: end of the interval; the paper's is 0.08.
        step: between two points of Simpson's rule.

    Returns:
        The area, higher is better.

    Raises:
        ValueError: no errors, or NaN among them.

    >>> round(auc([0.02, 0.04, np.inf]), 3)  # the mean of 0.75, 0.5 and 0
    0.417
    """
    return float(area_shares(_checked(errors), limit, step).mean())


def area_shares(errors: ArrayLike, limit: float = LIMIT, step: float = STEP) -> np.ndarray:
    """What each face contributes to that area, about max(0, 1 - error / limit); same shape, NaN stays NaN."""
    errors = np.asarray(errors, np.float64)
    thresholds, areas = _areas(limit, step)
    shares = areas[np.searchsorted(thresholds, errors, side="left")]  # NaN is sorted behind all: 0
    return np.where(np.isnan(errors), np.nan, shares)


@cache
def _areas(limit: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds, and for each the share of the area that a face counts for whose error lies at it; 0 behind them."""
    from scipy.integrate import simpson

    thresholds = np.linspace(0.0, limit, round(limit / step) + 1)
    weights = simpson(np.eye(len(thresholds)), x=thresholds, axis=1) / limit
    return thresholds, np.append(np.cumsum(weights[::-1])[::-1], 0.0)


def failure_rate(errors: ArrayLike, limit: float = LIMIT) -> float:
    """Share of errors above `limit`: 1 - CED(limit), in [0, 1].

    Args:
        errors: (n,) of `normalised_error`, infinity where no face was found.
        limit: above it a face counts as a failure; the paper's is 0.08.

    Raises:
        ValueError: no errors, or NaN among them.

    >>> failure_rate([0.02, 0.04, 0.09, np.inf])
    0.5
    """
    return float((_checked(errors) > limit).mean())


def _checked(errors: ArrayLike) -> np.ndarray:
    errors = np.asarray(errors, np.float64).ravel()
    if not len(errors):
        raise ValueError("errors: at least one is needed, got none")
    if np.isnan(errors).any():
        raise ValueError("errors: NaN is no error; a face that was not found has the error infinity")
    return errors
