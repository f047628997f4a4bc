"""Dense warps: scattered displacements made smooth, and a forward motion field turned into a lookup."""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.data.demo.portrait import LANDMARKS, SCALE, texture_grid, to_texture

STEP = 3  # texture pixels (2 native pixels) between the nodes of a motion field
_INVERSION_ROUNDS = 8
_STEPS = (0.25, 4.0)  # bounds of the secant step; 1 is plain fixed-point iteration

# Outline of the hair, and points that no face or expression moves: collar, shoulders, border of the texture.
HAIR = np.array(
    [
        (171, 116), (156, 96), (155, 72), (166, 48), (188, 33), (210, 18), (236, 17), (264, 29), (285, 50), (298, 76),
        (299, 98), (289, 119),
    ],
    np.float32,
)  # fmt: skip
EARS = np.array([(171, 123), (179, 132), (280, 127), (274, 136)], np.float32)  # lobes, and the jaw points they follow
_EARS_FOLLOW = [1, 2, 15, 14]
STILL = np.array(
    [
        (120, 215), (150, 165), (160, 235), (225, 225), (180, 215), (265, 215), (290, 180), (310, 215), (300, 255),
        (30, -24), (130, -24), (230, -24), (330, -24), (430, -24), (30, 100), (430, 100), (30, 230), (430, 230),
        (30, 360), (160, 360), (300, 360), (430, 360),
    ],
    np.float32,
)  # fmt: skip


def spread(points: np.ndarray, values: np.ndarray, step: int) -> np.ndarray:
    """Interpolate `values` (N, K), known at native `points` (N, 2), over every `step`-th texture pixel: (h, w, K)
    float32. The kernel is linear in the distance, which never overshoots what the points say."""
    from scipy.interpolate import RBFInterpolator

    grid = texture_grid(step)
    field = RBFInterpolator(points, values, kernel="linear")(grid.reshape(-1, 2))
    return field.reshape(*grid.shape[:2], -1).astype(np.float32)


def shape_lookup(landmarks: np.ndarray, hair_volume: float) -> np.ndarray:
    """Where in the photograph's texture each texture pixel of a face with these `landmarks` comes from: (H, W, 2)
    float32 texture coordinates, ready for cv2.remap."""
    crown = np.array([226, 100], np.float32)
    hair = crown + (HAIR - crown) * hair_volume
    ears = EARS + (landmarks - LANDMARKS)[_EARS_FOLLOW]
    moved = np.concatenate([landmarks, hair, ears, STILL])
    source = np.concatenate([LANDMARKS, HAIR, EARS, STILL])
    coarse = spread(moved, source - moved, STEP)
    grid = texture_grid()
    return to_texture(grid + cv2.resize(coarse, grid.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear value (h, w, 2) of a node field at native points (h, w, 2); held constant beyond the border."""
    return _lookup(field, to_texture(points) / STEP)


def invert(displacement: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Texture coordinates (h, w, 2) of the native points x with x + displacement(x) = targets.

    A secant iteration with one step length per point: plain fixed-point iteration would diverge where an opening mouth
    more than doubles the distance between its lips, and crawl where a closing lid takes it away.
    """
    field = displacement * np.float32(SCALE / STEP)  # in units of nodes, so that a round costs one lookup
    targets = to_texture(targets) / STEP
    found, error, step = targets, _lookup(field, targets), np.float32(1)
    for _ in range(_INVERSION_ROUNDS):
        move = -step * error
        found = found + move
        previous, error = error, found + _lookup(field, found) - targets
        change = error - previous
        along, square = _dot(move, change), _dot(change, change)
        step = np.clip(along / np.maximum(square, 1e-12), *_STEPS)[..., None]
    return found * STEP


def _lookup(field: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    return cv2.remap(field, nodes, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left[..., 0] * right[..., 0] + left[..., 1] * right[..., 1]
