"""Face verification by the ten-fold protocol of LFW and YouTube Faces (paper, Section 5.5 and Table 8).

Pairs of faces, or of videos, are judged "same person" when their similarity reaches a threshold. Every fold is tested
with the threshold that is best on the other nine; mean and standard deviation of the ten accuracies are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from facedeblur.metrics.identity import cosine, mean_embedding

UNKNOWN = -1.0  # similarity of a pair with a side that has no embedding: the least there is, "not the same"


class PairLike(Protocol):
    """A question of a protocol: do items `first` and `second` show the same person? YTF's are `data.corpora.ytf`'s."""

    first: str
    second: str


@dataclass(frozen=True)
class FacePair:
    """One of LFW's questions; an item is a photo, "Abel_Pacheco/1"."""

    fold: int
    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Verification:
    """What `verification` found.

    Attributes:
        mean, std: of the accuracies over folds, the latter that of the population.
        accuracies: of each fold.
        thresholds: of each fold, chosen on the others.
    """

    mean: float
    std: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]


def verification(similarities: ArrayLike, same: ArrayLike, folds: ArrayLike) -> Verification:
    """Cross-validated accuracy (table 8).

    Args:
        similarities: (n,) higher means more alike.
        same: (n,) whether the pair is of one person.
        folds: (n,) number or name of each pair's fold, two folds at least.

    Returns:
        Mean and standard deviation over folds, each tested with the threshold that is best on the others.

    Raises:
        ValueError: shapes that differ, NaN, or fewer than two folds.

    >>> verification([0.9, 0.1, 0.9, 0.1], [True, False, True, False], folds=[0, 0, 1, 1]).mean
    1.0
    """
    similarities, same = np.asarray(similarities, np.float64), np.asarray(same, bool)
    folds = np.asarray(folds)
    if not similarities.shape == same.shape == folds.shape or similarities.ndim != 1:
        raise ValueError(f"pairs: three lists of one length, got {similarities.shape}, {same.shape}, {folds.shape}")
    if np.isnan(similarities).any():
        raise ValueError("similarities: NaN is none; a pair that cannot be compared has the least there is")
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError(f"folds: at least two are needed to choose a threshold on the others, got {len(names)}")
    thresholds, accuracies = [], []
    for name in names:
        test = folds == name
        threshold = best_threshold(similarities[~test], same[~test])
        thresholds.append(threshold)
        accuracies.append(float(((similarities[test] >= threshold) == same[test]).mean()))
    return Verification(float(np.mean(accuracies)), float(np.std(accuracies)), tuple(accuracies), tuple(thresholds))


def best_threshold(similarities: np.ndarray, same: np.ndarray) -> float:
    """The threshold t of highest accuracy of "similarity >= t means same"; the largest of several.

    Candidates are the similarities themselves and infinity (nothing is the same).
    """
    order = np.argsort(-similarities, kind="stable")
    ordered = similarities[order]
    # accepting the first k pairs: right are the same ones among them and the different ones after them
    right = np.concatenate([[0], np.cumsum(np.where(same[order], 1, -1))])
    possible = np.concatenate([[True], np.diff(ordered) < 0, [True]])  # not between equal similarities
    best = int(np.argmax(np.where(possible, right, -len(ordered) - 1)))
    return float("inf") if best == 0 else float(ordered[best - 1])


def pair_similarities(pairs: Sequence[PairLike], embeddings: Mapping[str, ArrayLike]) -> np.ndarray:
    """Cosine of the mean embeddings of both sides of every pair: (n,) float64.

    Args:
        embeddings: item -> (F, D), one embedding for each frame in which a face was found. An item without any makes
            its pairs UNKNOWN, so that a method that destroys faces does not escape them.
    """
    means = {name: mean_embedding(frames) for name, frames in embeddings.items() if len(np.asarray(frames))}
    return np.array(
        [
            float(cosine(means[pair.first], means[pair.second])) if {pair.first, pair.second} <= set(means) else UNKNOWN
            for pair in pairs
        ]
    )
