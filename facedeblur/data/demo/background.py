"""What stands behind a demo head: a mottled studio backdrop or a room out of focus."""

from __future__ import annotations

import cv2
import numpy as np

MARGIN = 1.7  # plate width in frame widths: room for the camera to move


def draw_background(corpus: str, size: int, seed: tuple[int, ...]) -> np.ndarray:
    """RGB uint8 plate, `MARGIN * size` pixels square, for corpus A (studio) or B (room)."""
    rng = np.random.default_rng(seed)
    side = round(MARGIN * size)
    plate = _backdrop(rng, side) if corpus == "A" else _room(rng, side)
    return np.clip(np.round(plate), 0, 255).astype(np.uint8)


def _backdrop(rng: np.random.Generator, side: int) -> np.ndarray:
    colour = rng.uniform(50, 190) + rng.uniform(-35, 35, 3)
    mottle = sum(weight * _noise(rng, side, side * width) for width, weight in ((0.02, 6), (0.06, 10), (0.2, 14)))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    centre = rng.uniform(-0.4, 0.4, 2)
    falloff = 1.1 - 0.35 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    return (colour + mottle[..., None]) * falloff[..., None]


def _room(rng: np.random.Generator, side: int) -> np.ndarray:
    plate = np.empty((side, side, 3), np.float32)
    plate[:] = rng.uniform(90, 190) + rng.uniform(-25, 25, 3)
    shelf = 0
    while shelf < side:
        height = int(rng.uniform(0.14, 0.28) * side)
        edge = 0
        while edge < side:
            width = int(rng.uniform(0.03, 0.11) * side) + 2
            top = shelf + int(rng.uniform(0, 0.35) * height)
            if rng.random() < 0.75:
                plate[top : shelf + height, edge : edge + width] = rng.uniform(5, 250) + rng.uniform(-35, 35, 3)
            edge += width
        plate[shelf + height : shelf + height + side // 60] = rng.uniform(15, 70)
        shelf += height + side // 60
    for _ in range(rng.integers(0, 6)):
        centre = rng.integers(0, side, 2).tolist()
        cv2.circle(plate, centre, int(rng.uniform(0.02, 0.05) * side), rng.uniform(200, 255, 3).tolist(), -1)
    return cv2.GaussianBlur(plate, (0, 0), side * rng.uniform(0.003, 0.006))


def _noise(rng: np.random.Generator, side: int, width: float) -> np.ndarray:
    """Gaussian noise of unit variance, correlated over `width` pixels; drawn coarse where it is smooth."""
    step = max(1, int(width / 3))
    noise = cv2.GaussianBlur(rng.standard_normal((side // step + 2,) * 2).astype(np.float32), (0, 0), width / step)
    noise = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / noise.std()
