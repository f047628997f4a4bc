from __future__ import annotations

import numpy as np
import pytest

from facedeblur.blur.weak import SharpSettings, weak_kernel


def test_the_asked_share_changes_nothing():
    settings = SharpSettings(unchanged=0.3, bank=400)
    kernels = [weak_kernel(seed, 128, settings) for seed in range(400)]
    alone = [kernel.shape == (1, 1) for kernel in kernels]
    assert np.mean(alone) == pytest.approx(0.3, abs=0.07)
    for kernel in kernels:
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5) and kernel.min() >= 0
    assert weak_kernel(7, 128, settings) is weak_kernel(407, 128, settings)


def test_lengths_bound_the_others_and_scale_with_the_image():
    settings = SharpSettings(unchanged=0.0, lengths=(4.0, 8.0), bank=100)
    for size, most in ((256, 8.0), (128, 4.0)):
        # a path of that length spans no more than it, and a splat adds a pixel at each end
        assert max(weak_kernel(seed, size, settings).shape[0] for seed in range(100)) <= most + 3
    assert all(weak_kernel(seed, 256, settings).max() < 0.9 for seed in range(100))


@pytest.mark.parametrize("name, value", [("unchanged", 1.2), ("lengths", (3.0, 1.0)), ("bank", 0)])
def test_impossible_settings_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        SharpSettings(**{name: value})
