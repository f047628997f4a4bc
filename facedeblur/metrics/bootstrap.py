"""How sure a mean is: bootstrap over groups (videos, people), paired differences, and spread over seeds.

Images of one video resemble each other, so whole groups are drawn, never single images. Every score a table prints is
a mean over images (also AUC and failure rate, each image contributing its share), which makes a resample a weighted
sum of the groups' sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean with the percentile bootstrap interval around it; `low` and `high` are NaN for fewer than two groups."""

    value: float
    low: float
    high: float
    groups: int


@dataclass(frozen=True)
class Difference(Interval):
    """A paired mean difference; `p` is the two-sided p-value of no difference (sign-flip test over groups)."""

    p: float


def resampled_means(values: np.ndarray, groups: Sequence, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Means of the columns of `values` over images, for `resamples` draws of as many groups with replacement.

    Columns are resampled together, so any function of them (a difference, a ratio) is paired.

    Args:
        values: (images, columns); NaN is left out of its column's mean.
        groups: (images,) labels.

    Returns:
        (resamples, columns); NaN where a draw holds no value of a column.
    """
    sums, counts = _group_sums(values, groups)
    number = len(sums)
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (drawn @ sums) / (drawn @ counts)


def percentile_interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The central `level` of the samples, NaN left out; (NaN, NaN) when nothing is left."""
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return float("nan"), float("nan")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_interval(
    values: np.ndarray, groups: Sequence, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """A mean over images with its bootstrap interval over groups.

    Args:
        values: (images,); NaN is left out.
        groups: (images,) labels, such as the video or the person that each image shows.
        level: share of the resampled means that the interval holds.
        resamples: draws of as many groups, with replacement.
        seed: of the draws.

    Returns:
        The mean and its interval, whose ends are NaN for fewer than two groups.

    >>> found = bootstrap_interval(np.array([1.0, 2.0, 3.0, 4.0]), ["a", "a", "b", "b"])
    >>> found.value, found.low, found.high
    (2.5, 1.5, 3.5)
    """
    values, groups = _present(np.asarray(values, float), groups)
    number = len(set(groups))
    if number < 2:
        return Interval(float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan"), number)
    means = resampled_means(values[:, None], groups, resamples, seed)[:, 0]
    return Interval(float(values.mean()), *percentile_interval(means, level), number)


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The mean of `first - second` over images, with its bootstrap interval and p-value over groups.

    Args:
        first, second: (images,) values of two methods on the same images; pairs with a NaN are left out.
        groups: (images,) labels.
        level, resamples, seed: as of `bootstrap_interval`.

    Returns:
        The difference, its interval, and the p-value of `sign_flip_p`.

    Raises:
        ValueError: the lengths differ.

    >>> found = paired_difference(np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0]), ["a", "b", "c"])
    >>> found.value, found.p  # of the 8 patterns of signs, 2 give a mean that is as large
    (2.0, 0.25)
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape:
        raise ValueError(f"paired values expected, got {first.shape} and {second.shape}")
    differences, groups = _present(first - second, groups)
    interval = bootstrap_interval(differences, groups, level, resamples, seed)
    p = sign_flip_p(differences, groups, seed=seed)
    return Difference(interval.value, interval.low, interval.high, interval.groups, p)


def sign_flip_p(differences: np.ndarray, groups: Sequence, flips: int = 10000, seed: int = 0) -> float:
    """Two-sided p-value of the mean difference: the share of random signs per group with a mean at least as large.

    Under no difference the sign of a group's sum is a coin toss. All patterns are tried where there are no more than
    `flips` (so the smallest p of five groups is 2/32), else `flips` random ones. NaN for no group.
    """
    from scipy.stats import permutation_test

    sums = _group_sums(np.asarray(differences, float)[:, None], groups)[0][:, 0] if len(differences) else np.zeros(0)
    if len(sums) < 2:  # a single sign says nothing
        return 1.0 if len(sums) else float("nan")
    tested = permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=flips, batch=1000, vectorized=True, rng=seed
    )
    return float(tested.pvalue)


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (NaN for a single value), as over the seeds of a run; NaN are left out."""
    present = np.asarray(values, float)
    present = present[~np.isnan(present)]
    mean = float(present.mean()) if len(present) else float("nan")
    return mean, float(present.std(ddof=1)) if len(present) > 1 else float("nan")


def _present(values: np.ndarray, groups: Sequence) -> tuple[np.ndarray, list]:
    kept = ~np.isnan(values)
    return values[kept], [group for group, keep in zip(groups, kept, strict=True) if keep]


def _group_sums(values: np.ndarray, groups: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of present values per group: two (groups, columns)."""
    _, index = np.unique(np.asarray(list(groups), dtype=str), return_inverse=True)
    number = int(index.max()) + 1 if len(index) else 0
    present = ~np.isnan(values)
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, index, np.where(present, values, 0.0))
    np.add.at(counts, index, present)
    return sums, counts
