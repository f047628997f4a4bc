from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from sklearn.model_selection import KFold

from facedeblur.metrics.verification import (
    UNKNOWN,
    FacePair,
    best_threshold,
    pair_similarities,
    verification,
)


def by_scikit_learn(similarities, same):
    """The protocol with scikit-learn's folds and ROC curve: accuracy at each of its thresholds is the mean of the true
    positives and the true negatives."""
    accuracies = []
    for train, test in KFold(10).split(similarities):
        false, true, thresholds = roc_curve(same[train], similarities[train], drop_intermediate=False)
        right = true * same[train].sum() + (1 - false) * (~same[train]).sum()
        threshold = thresholds[np.argmax(np.round(right).astype(int))]
        accuracies.append(((similarities[test] >= threshold) == same[test]).mean())
    return np.mean(accuracies), np.std(accuracies)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn_on_random_scores(seed):
    rng = np.random.default_rng(seed)
    same = rng.random(1000) < 0.5
    similarities = rng.normal(0.3 + 0.25 * same, 0.2)
    if seed == 3:
        similarities = np.round(similarities, 1)  # many equal ones
    result = verification(similarities, same, np.repeat(np.arange(10), 100))
    mean, std = by_scikit_learn(similarities, same)
    assert result.mean == pytest.approx(mean, abs=1e-12) and result.std == pytest.approx(std, abs=1e-12)
    assert 0.6 < result.mean < 0.8 and result.std > 0


def test_perfect_reversed_and_constant_scores():
    same = np.tile([True, False], 50)
    folds = np.repeat(range(10), 10)
    perfect = verification(same.astype(float), same, folds)
    assert (perfect.mean, perfect.std) == (1, 0)
    assert verification(np.full(100, 0.5), same, folds).mean == 0.5
    # a score that is systematically wrong is no better than calling nobody the same
    assert verification(-same.astype(float), same, folds).mean == 0.5


def test_the_threshold_never_sees_its_own_fold():
    """In fold 0 all scores lie 10 higher: the best threshold of the others accepts everything there."""
    same = np.tile([True, False], 20)
    folds = np.repeat([0, 1], 20)
    scores = same + 10.0 * (folds == 0)
    result = verification(scores, same, folds)
    assert result.accuracies[0] == 0.5 and result.thresholds[0] == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_best_threshold_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    scores, same = rng.integers(0, 5, 12).astype(float), rng.random(12) < 0.5
    candidates = [np.inf, *sorted(set(scores), reverse=True)]
    accuracies = [((scores >= t) == same).mean() for t in candidates]
    assert best_threshold(scores, same) == candidates[int(np.argmax(accuracies))]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="two are needed"):
        verification([0.1, 0.2], [True, False], [1, 1])
    with pytest.raises(ValueError, match="NaN"):
        verification([0.1, np.nan], [True, False], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        verification([0.1], [True, False], [0, 1])


def test_videos_are_compared_by_their_mean_embeddings():
    embeddings = {"a/1": [[1.0, 0.0], [0.0, 1.0]], "a/2": [[1.0, 1.0]], "b/1": [[1.0, 0.0]], "b/2": np.empty((0, 2))}
    pairs = [
        FacePair(1, "a/1", "a/2", True),
        FacePair(1, "a/1", "b/1", False),
        FacePair(1, "a/1", "b/2", False),
        FacePair(1, "b/1", "c/1", False),
    ]
    np.testing.assert_allclose(pair_similarities(pairs, embeddings), [1, np.sqrt(0.5), UNKNOWN, UNKNOWN])
