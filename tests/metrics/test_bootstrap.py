from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from facedeblur.metrics.bootstrap import bootstrap_interval, mean_sd, paired_difference, resampled_means, sign_flip_p


def test_the_interval_has_the_width_of_the_mean_of_independent_groups():
    values = np.random.default_rng(0).normal(5, 2, 400)
    interval = bootstrap_interval(values, range(400), resamples=4000)
    expected = 1.96 * values.std() / math.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.value == pytest.approx(expected, rel=0.08)
    assert interval.value - interval.low == pytest.approx(expected, rel=0.08)


def test_agrees_with_scipy_on_groups_of_one():
    values = np.random.default_rng(1).exponential(1, 60)
    interval = bootstrap_interval(values, range(60), resamples=6000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=6000, method="percentile", rng=0).confidence_interval
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_repeating_every_image_of_a_group_adds_no_certainty():
    values = np.random.default_rng(2).normal(0, 1, 30)
    once = bootstrap_interval(values, range(30))
    often = bootstrap_interval(np.repeat(values, 50), np.repeat(np.arange(30), 50))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_large_groups_weigh_more_as_in_a_mean_over_images():
    # by brute force: draw two of the two groups, and average what was drawn
    values, groups = np.array([0.0, 0.0, 0.0, 8.0]), ["a", "a", "a", "b"]
    means = resampled_means(values[:, None], groups, resamples=20000)[:, 0]
    drawn, shares = np.unique(means, return_counts=True)
    assert drawn.tolist() == [0, 2, 8]
    assert shares / 20000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_coverage_of_the_interval_is_near_its_level():
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        centres = generator.normal(0, 1, 40)
        values = (centres[:, None] + generator.normal(0, 0.3, (40, 5))).ravel()
        interval = bootstrap_interval(values, np.repeat(np.arange(40), 5), resamples=500, seed=trial)
        covered += interval.low <= 0 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_pairing_removes_what_the_videos_share():
    generator = np.random.default_rng(4)
    base = generator.normal(0, 10, 50)
    first, second = base + 0.5 + generator.normal(0, 0.1, 50), base
    paired = paired_difference(first, second, range(50))
    assert 0.45 < paired.low < paired.value < paired.high < 0.55
    assert paired.p < 0.001
    alone = bootstrap_interval(first, range(50))
    assert alone.high - alone.low > 20 * (paired.high - paired.low)


def test_sign_flips_agree_with_scipy_and_are_exact_for_few_groups():
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.5, -0.2, 0.1])
    theirs = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p(differences, range(7)) == pytest.approx(theirs)
    assert sign_flip_p(np.ones(5), range(5)) == 2 / 32
    assert sign_flip_p(np.ones(5), ["one"] * 5) == 1
    assert sign_flip_p(np.zeros(4), range(4)) == 1


def test_p_is_uniform_where_there_is_no_difference():
    generator = np.random.default_rng(5)
    p = [sign_flip_p(generator.normal(size=30), range(30), flips=500, seed=trial) for trial in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_missing_values_and_single_groups_are_said_to_be_unknown():
    values = np.array([1.0, np.nan, 3.0])
    one = bootstrap_interval(values, ["a", "b", "a"])
    assert one.value == 2 and one.groups == 1 and math.isnan(one.low)
    none = bootstrap_interval(np.array([np.nan]), ["a"])
    assert none.groups == 0 and math.isnan(none.value)
    assert math.isnan(paired_difference(np.array([np.nan]), np.array([1.0]), ["a"]).p)
    with pytest.raises(ValueError, match="paired values"):
        paired_difference(np.zeros(2), np.zeros(3), range(3))


def test_mean_sd_over_seeds():
    assert mean_sd([1.0, 2.0, 3.0, float("nan")]) == (2.0, 1.0)
    mean, sd = mean_sd([4.0])
    assert mean == 4 and math.isnan(sd)
