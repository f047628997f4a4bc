"""Motion made from one photo: its face is shifted, turned and talks through a short path of warps, which are averaged.

A photo has no frames to average (Eq. 8), so they are made: every frame of a path displaces the pixels by a sum of
smooth fields around the 68 landmarks, and the middle one is the photo itself. Not in the paper; it lets thousands of
people move of whom there is a photo alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from facedeblur.blur.response import Response, identity

LEFT_CORNER, RIGHT_CORNER, CHIN = 48, 54, 8  # of the mouth as seen in the image; tip of the jaw


@dataclass(frozen=True)
class MotionSettings:
    """How far a face moves in half of a window, at most. ValueError for an impossible value.

    shift   of the head or of the camera, in sides of the face's tight box
    turn    of the head about the viewing axis, in degrees
    nod     about the other two axes: how far the nearest part moves against the outline, in sides
    talk    of the jaw, in widths of the mouth
    frames  that are averaged: an odd number
    camera  share of the windows in which all that is seen moves, not the head alone
    """

    shift: float = 0.09
    turn: float = 5.0
    nod: float = 0.07
    talk: float = 0.12
    frames: int = 15
    camera: float = 0.35

    def __post_init__(self) -> None:
        for name, most in {"shift": 1.0, "turn": 90.0, "nod": 1.0, "talk": 1.0, "camera": 1.0}.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: a number in [0, {most:g}], got {getattr(self, name)}")
        if self.frames < 3 or self.frames % 2 == 0:
            raise ValueError(f"frames: an odd number of at least 3, got {self.frames}")


def motion_blur(
    sharp: np.ndarray,
    landmarks: np.ndarray,
    kernel_seed: int,
    settings: MotionSettings,
    seed: int = 0,
    response: Response = identity,
) -> np.ndarray:
    """The average over a random path whose middle frame is `sharp`: uint8 (H, W[, 3]) to float32 in [0, 255].

    Args:
        landmarks: (68, 2), in pixels of the image.
        kernel_seed, seed: decide the path, which scales with the face.
    """
    path = draw_path(np.random.default_rng([seed, 2, kernel_seed]), settings)
    light = response.decode(sharp)
    total = np.zeros(light.shape, np.float32)
    for moved in moving(light, landmarks, path):
        cv2.accumulate(moved, total)
    return np.clip(response.encode(total / len(path.amounts)), 0.0, 255.0)


def moving(light: np.ndarray, landmarks: np.ndarray, path: Path) -> Iterator[np.ndarray]:
    """The frames of a path, each as `light` (H, W[, 3]) moved by its amounts; by none it is `light` itself."""
    fields, grid = displacement_fields(light.shape[:2], np.asarray(landmarks, np.float64), path.camera)
    for amounts in path.amounts:
        if not amounts.any():
            yield light
            continue
        source = grid - np.tensordot(amounts.astype(np.float32), fields, 1)
        yield cv2.remap(light, source[0], source[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True, eq=False)
class Path:
    """`amounts`: (frames, 6) of shift x, shift y, turn (radians), nod x, nod y, talk; zeros in the middle. `camera`:
    whether all that is seen takes part in shift and turn."""

    amounts: np.ndarray
    camera: bool


def draw_path(rng: np.random.Generator, settings: MotionSettings) -> Path:
    """A smooth random path; its overall extent is uniform between almost none and the settings'."""
    most = [settings.shift] * 2 + [np.deg2rad(settings.turn)] + [settings.nod] * 2 + [settings.talk]
    time = np.linspace(-1, 1, settings.frames)[:, None]
    extent = rng.uniform(0.1, 1.0) * rng.uniform(-1, 1, 6) * most
    bend, pace, phase = rng.uniform(-0.6, 0.6, 6), rng.uniform(0.5, 2.5), rng.uniform(0, 2 * np.pi)
    amounts = extent * (time + bend * time**2)
    amounts[:, 5] = extent[5] * (np.sin(pace * time[:, 0] + phase) - np.sin(phase))  # a mouth opens and closes
    amounts[settings.frames // 2] = 0.0
    return Path(amounts, bool(rng.random() < settings.camera))


def displacement_fields(shape: tuple[int, int], points: np.ndarray, camera: bool) -> tuple[np.ndarray, np.ndarray]:
    """Displacement in pixels by one unit of each amount, (6, 2, H, W) float32, and the pixels' own places (2, H, W)."""
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))).astype(np.float32)
    low, high = points.min(0), points.max(0)
    side, centre = float((high - low).max()), (low + high) / 2
    away = grid - centre.astype(np.float32)[:, None, None]
    distance = np.hypot(*away) / (side / 2)
    # The head moves as a whole as far as its outline and drags its surroundings along ever less.
    head = np.ones_like(distance) if camera else _falling(distance, 1.15, 1.9)
    bulge = _falling(distance, 0.0, 1.2)  # what is nearest to the camera moves most when a head turns or nods
    nothing = np.zeros_like(head)
    turned = np.stack([-away[1], away[0]])
    fields = [
        side * np.stack([head, nothing]),
        side * np.stack([nothing, head]),
        turned * head,
        side * np.stack([bulge, nothing]),
        side * np.stack([nothing, bulge]),
        _jaw(grid, points),
    ]
    return np.stack(fields).astype(np.float32), grid


def _jaw(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The lower lip and the jaw go down by one width of the mouth: (2, H, W)."""
    left, right = points[LEFT_CORNER], points[RIGHT_CORNER]
    width = max(float(np.linalg.norm(right - left)), 1.0)
    along = (right - left) / width
    down = np.array([-along[1], along[0]])
    away = grid - ((left + right) / 2).astype(np.float32)[:, None, None]
    x, y = (np.tensordot(axis.astype(np.float32), away, 1) / width for axis in (along, down))
    chin = max(float((points[CHIN] - (left + right) / 2) @ down) / width, 0.5)
    amount = (1 - _falling(y, -0.05, 0.3)) * _falling(y, chin, chin + 0.7) * _falling(np.abs(x), 0.4, 1.4)
    return width * down.astype(np.float32)[:, None, None] * amount


def _falling(values: np.ndarray, begin: float, end: float) -> np.ndarray:
    """1 up to `begin`, 0 from `end` on, smooth between."""
    t = np.clip((values - begin) / (end - begin), 0.0, 1.0)
    return 1 - t * t * (3 - 2 * t)
