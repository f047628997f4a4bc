from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine as scipy_cosine_distance
from scipy.stats import ecdf

from facedeblur.metrics.identity import cosine, cumulative, mean_embedding


def test_cosine_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 20, 128)).astype(np.float32)
    expected = [scipy_cosine_distance(x.astype(float), y.astype(float)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(1 - cosine(a, b), expected, atol=1e-12)
    np.testing.assert_allclose(cosine(4 * a, b / 8), cosine(a, b), atol=1e-12)


def test_the_extremes():
    vector = np.random.default_rng(0).standard_normal(512)
    assert cosine(vector, vector) == 1 and cosine(vector, -vector) == -1
    assert np.isnan(cosine(vector, np.zeros(512)))
    assert np.isnan(cosine(vector, np.full(512, np.nan)))


def test_cumulative_is_the_empirical_distribution():
    values = np.random.default_rng(0).random(50)
    at = np.linspace(-0.1, 1.1, 30)
    np.testing.assert_allclose(cumulative(values, at), ecdf(values).cdf.evaluate(at))
    assert cumulative([0.3], [0.29, 0.3]).tolist() == [0, 1]
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(ValueError, match="values"):
            cumulative(bad, 0.5)


def test_every_frame_counts_alike_in_a_videos_embedding():
    mean = mean_embedding([[2.0, 0.0], [0.0, 100.0]])
    np.testing.assert_allclose(mean, [0.5, 0.5])
