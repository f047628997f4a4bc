"""Nothing, or hardly anything: pairs that teach a network not to change what is sharp."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facedeblur.blur.trajectory import REFERENCE_SIZE, rasterise, trajectories
from facedeblur.settings import check, check_count, check_range

_STEPS = 200


@dataclass(frozen=True)
class SharpSettings:
    """Sharp and weakly blurred pairs. ValueError for an impossible value.

    Attributes:
        unchanged: share of the pairs whose two images are equal.
        lengths: arc lengths of the trajectories of the others, in pixels of a 256 px image.
        bank: different kernels per seed.
    """

    unchanged: float = 0.5
    lengths: tuple[float, float] = (1.0, 8.0)
    bank: int = 400

    def __post_init__(self) -> None:
        check_range(self, 0, 1, "unchanged")
        low, high = self.lengths
        check(0 < low <= high, "lengths", "a range (low, high) of positive numbers", self.lengths)
        check_count("bank", self.bank)


def weak_kernel(kernel_seed: int, size: int, settings: SharpSettings, seed: int = 0) -> np.ndarray:
    """Kernel `kernel_seed` (modulo the bank) for an image of `size` pixels: (k, k) float32, sum 1; [[1]] changes
    nothing."""
    return _bank(settings, size, seed)[kernel_seed % settings.bank]


@lru_cache(maxsize=4)
def _bank(settings: SharpSettings, size: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 3])
    unchanged = rng.random(settings.bank) < settings.unchanged
    lengths = rng.uniform(*settings.lengths, settings.bank)
    paths = trajectories(rng, lengths, np.full(settings.bank, 0.005), _STEPS)
    nothing = np.ones((1, 1), np.float32)
    scale = size / REFERENCE_SIZE
    return [nothing if same else rasterise(path, scale) for same, path in zip(unchanged, paths, strict=True)]
