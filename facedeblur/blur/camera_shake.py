"""Camera-shake kernels, on which the hourglass stage learns (paper, Section 5.1, "Training data").

The paper blurs with the kernels of Hradis et al. (2015). One hundred of them ship with this package, their licence
beside them (`data/psf_hradis.npz`); they are flipped, rotated and scaled at random, and mixed with random trajectories
of moderate length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from facedeblur.blur.kernels import splat
from facedeblur.blur.trajectory import REFERENCE_SIZE, rasterise, trajectories
from facedeblur.settings import check, check_count, check_range


@dataclass(frozen=True)
class CameraShakeSettings:
    """How the kernels vary; lengths are pixels of a 256 px image.

    Attributes:
        measured: share of kernels taken from the hundred measured ones, the rest are trajectories.
        scales: range of the random magnification of a measured kernel.
        lengths: range of the arc length of a trajectory.
        expl: how erratic a trajectory is, drawn per kernel.
        noise: largest standard deviation of the Gaussian noise added to the blurry image, as a fraction of its range;
            each image draws its own between 0 and this; 0 adds none.
        bank: different kernels per seed; a kernel seed is an index into them.

    Raises:
        ValueError: naming the field, for an impossible value.
    """

    measured: float = 0.5
    scales: tuple[float, float] = (0.8, 1.3)
    lengths: tuple[float, float] = (5.0, 30.0)
    expl: tuple[float, ...] = (0.01, 0.009, 0.008, 0.007, 0.005, 0.003)
    noise: float = 0.01
    bank: int = 1000

    def __post_init__(self) -> None:
        check_range(self, 0, 1, "measured")
        for name in ("scales", "lengths"):
            bounds = getattr(self, name)
            valid = len(bounds) == 2 and 0 < bounds[0] <= bounds[1]
            check(valid, name, "a range (low, high) of positive numbers", bounds)
        check(min(self.expl, default=-1) >= 0, "expl", "one or more numbers of at least 0", self.expl)
        check_range(self, 0, 0.2, "noise")
        check_count("bank", self.bank)


def camera_shake_kernel(kernel_seed: int, size: int, settings: CameraShakeSettings, seed: int = 0) -> np.ndarray:
    """Kernel `kernel_seed` (modulo the bank) for an image of `size` pixels: (k, k) float32, sum 1."""
    return _bank(settings, size, seed)[kernel_seed % settings.bank]


def noise_level(kernel_seed: int, settings: CameraShakeSettings, seed: int = 0) -> float:
    """Standard deviation of the noise that goes with `kernel_seed`, as a fraction of the image range."""
    return settings.noise * float(np.random.default_rng([seed, kernel_seed, 3]).random())


@lru_cache(maxsize=1)
def measured_kernels() -> tuple[np.ndarray, ...]:
    """The hundred kernels of Hradis et al. as shipped: (k, k) float32, k odd from 5 to 29, sum 1."""
    with files("facedeblur.blur").joinpath("data/psf_hradis.npz").open("rb") as file, np.load(file) as archive:
        return tuple(archive[name] for name in sorted(archive.files, key=int))


def transformed(kernel: np.ndarray, scale: float, angle: float, flip: bool) -> np.ndarray:
    """`kernel` mirrored left to right if `flip`, rotated by `angle` radians and magnified by `scale`; sum 1.

    Every pixel is cut into 4 x 4 parts that move on their own, so mass is kept exactly at any scale.
    """
    rows, columns = np.nonzero(kernel)
    parts = (np.arange(4) - 1.5) / 4
    x = np.add.outer(columns, np.tile(parts, 4)).ravel()
    y = np.add.outer(rows, np.repeat(parts, 4)).ravel()
    moved = scale * np.exp(1j * angle) * ((-x if flip else x) + 1j * y)
    return splat(np.stack([moved.real, moved.imag], -1), np.repeat(kernel[rows, columns], 16))


@lru_cache(maxsize=4)
def _bank(settings: CameraShakeSettings, size: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 2])
    scale = size / REFERENCE_SIZE
    paths = trajectories(
        rng, rng.uniform(*settings.lengths, settings.bank), rng.choice(settings.expl, settings.bank), steps=1000
    )
    kernels = []
    for path in paths:
        if rng.random() < settings.measured:
            kernel = measured_kernels()[rng.integers(len(measured_kernels()))]
            magnification, angle, flip = rng.uniform(*settings.scales), rng.uniform(0, 2 * np.pi), rng.random() < 0.5
            kernels.append(transformed(kernel, scale * magnification, angle, flip))
        else:
            kernels.append(rasterise(path, scale))
    return kernels
