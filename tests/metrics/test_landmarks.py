from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson

from facedeblur.metrics.landmarks import area_shares, auc, ced, failure_rate, normalised_error


@pytest.fixture(params=range(3))
def errors(request):
    """Like those of a localiser: most small, some failures, a few faces not found."""
    rng = np.random.default_rng(request.param)
    values = rng.gamma(2.0, 0.015, 400)
    values[rng.choice(400, 12, replace=False)] = np.inf
    return values


def by_counting(errors, limit, steps=20_000):
    """AUC and failure rate by their definition: counting errors at every abscissa, trapezoids in between."""
    grid = np.linspace(0, limit, steps + 1)
    curve = np.array([sum(error <= x for error in errors) / len(errors) for x in grid[:: steps // 500]])
    area = np.trapezoid(curve, dx=limit / 500) / limit
    return area, sum(error > limit for error in errors) / len(errors)


def test_auc_and_failure_rate_agree_with_independent_computations(errors):
    area, failures = by_counting(errors, 0.08)
    assert auc(errors) == pytest.approx(area, abs=1e-3)
    grid = np.linspace(0, 0.08, 801)
    assert auc(errors) == pytest.approx(simpson(ced(errors, grid), x=grid) / 0.08, abs=1e-12)
    assert auc(errors) == area_shares(errors).mean()  # tables, tiles and tests over images say the same
    assert failure_rate(errors) == pytest.approx(failures, abs=1e-12)
    assert 0.03 <= failure_rate(errors) < 0.5 < auc(errors) < 0.8  # the fixture is not a trivial case


def test_perfect_and_total_failure():
    assert auc(np.zeros(5)) == pytest.approx(1) and failure_rate(np.zeros(5)) == 0
    for lost in (np.full(5, np.inf), np.full(5, 0.2)):
        assert auc(lost) == 0 and failure_rate(lost) == 1


@pytest.mark.parametrize(("error", "area"), [(0.0, 1.0), (0.02, 0.75), (0.0799, 0.00125), (0.08, 0.0), (np.inf, 0.0)])
def test_one_face(error, area):
    assert area_shares([error, np.nan]) == pytest.approx([area, np.nan], abs=1e-3, nan_ok=True)
    assert auc([error]) == pytest.approx(area, abs=1e-3)


def test_a_face_that_is_not_found_counts():
    found = [0.01, 0.02, 0.03]
    assert area_shares([*found, np.inf]).mean() == pytest.approx(0.75 * area_shares(found).mean())
    assert failure_rate([*found, np.inf]) == 0.25
    # at the limit itself a face still counts as found
    assert failure_rate([0.08]) == 0 and failure_rate([np.nextafter(0.08, 1)]) == 1


def test_ced_is_a_distribution(errors):
    curve = ced(errors, np.linspace(0, 0.2, 50))
    assert (np.diff(curve) >= 0).all() and curve[0] == 0 and curve[-1] <= 1 - 12 / 400
    assert ced(errors, np.inf) == 1 and ced([0.1, 0.2], 0.1) == 0.5


@pytest.mark.parametrize("bad", [[], [0.1, np.nan]])
def test_nothing_and_nan_are_refused(bad):
    for measure in (auc, failure_rate):
        with pytest.raises(ValueError, match="errors: "):
            measure(bad)


def test_error_is_normalised_by_the_diagonal_of_the_truths_box():
    truth = np.array([[0.0, 0.0], [30.0, 40.0], [10.0, 10.0], [20.0, 20.0]])  # a box of 30 x 40: diagonal 50
    assert normalised_error(truth + [3.0, 4.0], truth) == pytest.approx(5 / 50)
    moved = truth.copy()
    moved[2] += [6.0, 8.0]
    assert normalised_error(moved, truth) == pytest.approx(10 / 4 / 50)
    both = normalised_error(np.stack([truth, moved]), np.stack([truth, truth]))
    np.testing.assert_allclose(both, [0, 0.05])
    # invariant to scale, and to a shift of both
    assert normalised_error(7 * moved + 11, 7 * truth + 11) == pytest.approx(0.05)


def test_error_refuses_what_cannot_be_compared():
    points = np.random.default_rng(0).random((68, 2))
    with pytest.raises(ValueError, match="two arrays"):
        normalised_error(points, points[:51])
    with pytest.raises(ValueError, match="coincide"):
        normalised_error(points, np.ones((68, 2)))
    with pytest.raises(ValueError, match="not finite"):
        normalised_error(points, np.full((68, 2), np.nan))
