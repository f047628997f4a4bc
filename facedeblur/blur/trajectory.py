"""Synthetic blur: random camera trajectories of a Markov process, rasterised to kernels.

The process is Boracchi and Foi's ("Modeling the performance of image restoration from motion blur", 2012) as Kupyn et
al. (2017) use it; the paper blurs with it in Section 5.2 and Table 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from facedeblur.blur.kernels import splat
from facedeblur.settings import check, check_count, is_positive

REFERENCE_SIZE = 256  # image side in pixels at which lengths are stated


@dataclass(frozen=True)
class TrajectorySettings:
    """Parameters of the process; `expl` and `exposures` are drawn per kernel.

    Attributes:
        max_length: arc length of a whole trajectory in pixels of a 256 px image; it scales with the image.
        expl: how erratic the camera moves ("anxiety").
        exposures: part of the trajectory during which the shutter is open.
        steps: samples of a trajectory.
        bank: different kernels per seed; a kernel seed is an index into them.

    Raises:
        ValueError: naming the field, for an impossible value.
    """

    max_length: float = 60.0
    expl: tuple[float, ...] = (0.01, 0.009, 0.008, 0.007, 0.005, 0.003)
    exposures: tuple[float, ...] = (0.1, 0.5, 1.0)
    steps: int = 2000
    bank: int = 1000

    def __post_init__(self) -> None:
        check(is_positive(self.max_length), "max_length", "a positive number of pixels", self.max_length)
        check(min(self.expl, default=-1) >= 0, "expl", "one or more numbers of at least 0", self.expl)
        valid = bool(self.exposures) and all(0 < exposure <= 1 for exposure in self.exposures)
        check(valid, "exposures", "one or more fractions in (0, 1]", self.exposures)
        check_count("steps", self.steps, 2)
        check_count("bank", self.bank)


def trajectories(rng: np.random.Generator, max_length: np.ndarray, expl: np.ndarray, steps: int) -> np.ndarray:
    """K trajectories side by side, (K, steps) complex (x + iy), each `max_length` (K,) pixels long.

    The speed is constant; its direction follows inertia, Gaussian jitter, a pull back to the origin and, rarely, a
    sudden reversal ("big shake").
    """
    count = len(max_length)
    pull = 0.7 * rng.random(count)
    big_shake = 0.2 * rng.random(count) * expl
    jitter = 10 * rng.random(count)
    speed = max_length / (steps - 1)
    start = np.exp(2j * np.pi * rng.random(count))
    velocity = start * np.where(expl > 0, expl, speed)
    position = np.zeros((steps, count), complex)
    for t in range(steps - 1):
        noise = rng.standard_normal((2, count))
        velocity = velocity + expl * (jitter * (noise[0] + 1j * noise[1]) - pull * position[t]) * speed
        shaken = np.flatnonzero(rng.random(count) < big_shake)
        if len(shaken):
            velocity[shaken] += 2 * velocity[shaken] * np.exp(1j * (np.pi + rng.random(len(shaken)) - 0.5))
        velocity *= speed / np.abs(velocity)
        position[t + 1] = position[t] + velocity
    return position.T


def rasterise(trajectory: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The kernel of one complex trajectory (n,), its coordinates multiplied by `scale`."""
    return splat(scale * np.stack([trajectory.real, trajectory.imag], -1))


def trajectory_kernel(kernel_seed: int, size: int, settings: TrajectorySettings, seed: int = 0) -> np.ndarray:
    """Kernel `kernel_seed` (modulo the bank) for an image of `size` pixels: (k, k) float32, sum 1.

    The trajectory is simulated at 256 px and scaled, so the same seed blurs alike at every size. The bank of a seed is
    made at its first use and kept.
    """
    return _bank(settings, size, seed)[kernel_seed % settings.bank]


def trajectory_kernel_at(kernel_seed: int, size: float, settings: TrajectorySettings, seed: int = 0) -> np.ndarray:
    """`trajectory_kernel` at any size, without a bank of that size: for frames, whose faces differ in size."""
    path, samples = _paths(settings, seed)[kernel_seed % settings.bank]
    return rasterise(path[:samples], size / REFERENCE_SIZE)


@lru_cache(maxsize=4)
def _bank(settings: TrajectorySettings, size: int, seed: int) -> list[np.ndarray]:
    scale = size / REFERENCE_SIZE
    return [rasterise(path[:samples], scale) for path, samples in _simulated(settings, seed)]


def _simulated(settings: TrajectorySettings, seed: int) -> list[tuple[np.ndarray, int]]:
    """Every trajectory of a bank, and how many of its samples the shutter sees."""
    rng = np.random.default_rng([seed, 1])
    expl = rng.choice(settings.expl, settings.bank)
    exposed = np.maximum(1, np.rint(rng.choice(settings.exposures, settings.bank) * settings.steps)).astype(int)
    paths = trajectories(rng, np.full(settings.bank, settings.max_length), expl, settings.steps)
    return list(zip(paths, exposed, strict=True))


_paths = lru_cache(maxsize=1)(_simulated)  # 32 MB for a bank of 1,000
