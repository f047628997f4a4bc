"""Displacements of the pixels around a face, as fields that amounts are multiplied with: a head's, a jaw's."""

from __future__ import annotations

import numpy as np

LEFT_CORNER, RIGHT_CORNER, CHIN = 48, 54, 8  # of the mouth as seen in the image; tip of the jaw


def pixel_grid(shape: tuple[int, int]) -> np.ndarray:
    """The pixels' own places x, y of an image (H, W): (2, H, W) float32."""
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))).astype(np.float32)


def face_box(points: np.ndarray) -> tuple[float, np.ndarray]:
    """Side in pixels and centre (2,) of the tight box of landmarks (68, 2)."""
    low, high = points.min(0), points.max(0)
    return float((high - low).max()), (low + high) / 2


def head_mask(away: np.ndarray, side: float, camera: bool) -> np.ndarray:
    """How much a pixel takes part in the motion of the head: (H, W), 1 inside its outline, 0 far away.

    Args:
        away: (2, H, W) pixels from the centre of the face, whose box has `side` pixels.
        camera: all that is seen takes part.
    """
    distance = np.hypot(*away) / (side / 2)
    # The head moves as a whole as far as its outline and drags its surroundings along ever less.
    return np.ones_like(distance) if camera else falling(distance, 1.15, 1.9)


def displacement_fields(shape: tuple[int, int], points: np.ndarray, camera: bool) -> np.ndarray:
    """Displacement in pixels by one unit of shift x, shift y, turn, nod x, nod y and talk: (6, 2, H, W) float32."""
    grid = pixel_grid(shape)
    side, centre = face_box(points)
    away = grid - centre.astype(np.float32)[:, None, None]
    head = head_mask(away, side, camera)
    bulge = falling(np.hypot(*away) / (side / 2), 0.0, 1.2)  # the nearest part moves most when a head turns or nods
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
    return np.stack(fields).astype(np.float32)


def _jaw(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The lower lip and the jaw go down by one width of the mouth: (2, H, W)."""
    left, right = points[LEFT_CORNER], points[RIGHT_CORNER]
    width = max(float(np.linalg.norm(right - left)), 1.0)
    along = (right - left) / width
    down = np.array([-along[1], along[0]])
    away = grid - ((left + right) / 2).astype(np.float32)[:, None, None]
    x, y = (np.tensordot(axis.astype(np.float32), away, 1) / width for axis in (along, down))
    chin = max(float((points[CHIN] - (left + right) / 2) @ down) / width, 0.5)
    amount = (1 - falling(y, -0.05, 0.3)) * falling(y, chin, chin + 0.7) * falling(np.abs(x), 0.4, 1.4)
    return width * down.astype(np.float32)[:, None, None] * amount


def falling(values: np.ndarray, begin: float, end: float) -> np.ndarray:
    """1 up to `begin`, 0 from `end` on, smooth between."""
    t = np.clip((values - begin) / (end - begin), 0.0, 1.0)
    return 1 - t * t * (3 - 2 * t)
