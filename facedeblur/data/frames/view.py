"""Which part of a tile an image shows: the face's crop, or one moved, scaled, turned and mirrored about its centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WIDEST = 2.0  # standard deviations beyond which no change is drawn


@dataclass(frozen=True)
class Change:
    """How a crop differs from the rule's.

    Attributes:
        zoom: factor of its side.
        shift: (x, y) of its centre, in its sides.
        turn: radians, clockwise as seen in the image.
        mirror: left and right exchanged.
    """

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    mirror: bool = False


UNCHANGED = Change()


def draw_change(zoom: float, shift: float, turn: float, mirror: float, rng: np.random.Generator) -> Change:
    """A random change; all zeros give none.

    Args:
        zoom: standard deviation of the logarithm of the side.
        shift: of the centre along x and y, in sides.
        turn: in degrees.
        mirror: probability.
    """
    normal = np.clip(rng.standard_normal(4), -WIDEST, WIDEST)
    return Change(
        zoom=float(np.exp(zoom * normal[0])),
        shift=(float(shift * normal[1]), float(shift * normal[2])),
        turn=float(np.deg2rad(turn * normal[3])),
        mirror=bool(rng.random() < mirror),
    )


def view_matrix(box: tuple[float, float, float], size: int, change: Change = UNCHANGED) -> np.ndarray:
    """The (2, 3) affine map from pixels of an image of `size` to pixels of a tile, centres at whole numbers.

    `box` is (left edge, top edge, side) of the face's crop in pixels of the tile.
    """
    x, y, side = box
    step = side * change.zoom / size
    cos, sin = np.cos(change.turn), np.sin(change.turn)
    linear = step * np.array([[cos, -sin], [sin, cos]])
    if change.mirror:
        linear[:, 0] *= -1
    centre = np.array([x, y]) + side * (0.5 + np.array(change.shift)) - 0.5
    return np.column_stack([linear, centre - linear @ np.full(2, (size - 1) / 2)])


def apply_map(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2) under an affine map (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def inverse_map(matrix: np.ndarray) -> np.ndarray:
    """The map that undoes an affine one (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
