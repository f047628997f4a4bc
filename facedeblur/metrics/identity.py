"""How much of a person survives: cosines between the embeddings of two faces, and their cumulative distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def cosine(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Cosine of the angle between embeddings of corresponding faces.

    Args:
        first, second: (..., D).

    Returns:
        (...,) float64 in [-1, 1]; NaN where an embedding is zero or not finite, and so has no direction.

    >>> cosine([[1.0, 0.0], [3.0, 4.0]], [[0.0, 2.0], [3.0, 4.0]]).tolist()
    [0.0, 1.0]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip((first * second).sum(axis=-1) / lengths, -1.0, 1.0)


def cumulative(values: ArrayLike, at: ArrayLike) -> np.ndarray:
    """Share of `values` (n,) at or below each of `at`, same shape. Raises ValueError for no values, or NaN."""
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if not len(ordered) or np.isnan(ordered[-1]):
        raise ValueError(f"values: at least one, all of them numbers, got {len(ordered)} with NaN or none")
    return np.searchsorted(ordered, np.asarray(at, np.float64), side="right") / len(ordered)


def mean_embedding(embeddings: ArrayLike) -> np.ndarray:
    """One embedding for a video: the mean of its frames' embeddings, each scaled to unit length.

    Args:
        embeddings: (F, D), one a frame.

    Returns:
        (D,) float64.

    >>> mean_embedding([[2.0, 0.0], [0.0, 5.0]]).tolist()
    [0.5, 0.5]
    """
    embeddings = np.asarray(embeddings, np.float64)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit.mean(axis=0)
