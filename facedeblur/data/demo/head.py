"""A head in three dimensions: depth of the face, rotation about the neck, and the movements of lids, lips and brows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facedeblur.data.demo.portrait import texture_grid
from facedeblur.data.demo.warp import HAIR, STEP, STILL, sample, spread

MODES = ("blink", "jaw", "close", "round", "brows")
_NECK = np.array([225.0, 172.0, 8.0], np.float32)  # native x, y and depth of the point the head turns about
_UPPER_LIDS, _LOWER_LIDS = (37, 38, 43, 44), (41, 40, 47, 46)
_JAW_DROP = {3: 0.15, 4: 0.4, 5: 0.6, 6: 0.8, 7: 0.95, 8: 1.0, 9: 0.95, 10: 0.8, 11: 0.6, 12: 0.4, 13: 0.15}
_JAW_PIXELS = 9.0


@dataclass(frozen=True)
class Pose:
    """Rotation of the head in radians (yaw to the image's right, pitch downwards, roll clockwise) and the weight of
    each entry of `MODES`, 0 at rest, 1 fully there."""

    yaw: float
    pitch: float
    roll: float
    modes: tuple[float, ...]

    def rotation(self) -> np.ndarray:
        """(3, 3) rotation of (x right, y down, z towards the camera)."""
        (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (self.yaw, self.pitch, self.roll))
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return (roll @ yaw @ pitch).astype(np.float32)


class Head:
    """The geometry of one identity, from its 68 neutral landmarks (native pixels)."""

    def __init__(self, landmarks: np.ndarray):
        self.landmarks = landmarks
        self.grid = texture_grid(STEP)
        self.depth = depth_at(self.grid, landmarks)
        self.hold = _hold_at(self.grid)
        self.teeth = float(sample(self.depth, landmarks[None, 60:68]).mean()) - 4  # behind the lips
        moves = np.concatenate([expression_moves(landmarks), np.zeros((len(HAIR) + len(STILL), 2 * len(MODES)))])
        fields = spread(np.concatenate([landmarks, HAIR, STILL]), moves, STEP)
        self.modes = [np.ascontiguousarray(fields[..., 2 * i : 2 * i + 2]) for i in range(len(MODES))]

    def displacement(self, pose: Pose) -> np.ndarray:
        """Node field (h, w, 2) float32: by how many native pixels each point of the texture moves."""
        points = self.grid.copy()
        for weight, mode in zip(pose.modes, self.modes, strict=True):
            if weight:
                points += np.float32(weight) * mode
        rotation = pose.rotation()
        x, y, z = points[..., 0] - _NECK[0], points[..., 1] - _NECK[1], self.depth - _NECK[2]
        turned = np.stack([rotation[i, 0] * x + rotation[i, 1] * y + rotation[i, 2] * z for i in (0, 1)], -1)
        points += self.hold[..., None] * (turned - np.stack([x, y], -1))
        return points - self.grid

    def points(self, displacement: np.ndarray) -> np.ndarray:
        """The 68 landmarks (68, 2), native pixels, after the displacement."""
        return self.landmarks + sample(displacement, self.landmarks[None])[0]


def turn_rigidly(pose: Pose, depth: float) -> np.ndarray:
    """(2, 3) affine map of native pixels for what sits in the head at one depth and takes no part in expressions."""
    rotation = pose.rotation()
    linear = rotation[:2, :2]
    shift = _NECK[:2] - linear @ _NECK[:2] + rotation[:2, 2] * (depth - _NECK[2])
    return np.concatenate([linear, shift[:, None]], 1)


def depth_at(grid: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Height (h, w) float32 of the head towards the camera, native pixels, 0 near its outline.

    A paraboloid for the skull, with bumps for nose, lips and chin and hollows for the eyes. Slopes stay below two, so
    that a rotation within +-25 degrees never folds the image over.
    """
    middle = landmarks[27:31, 0].mean()
    radius = ((grid[..., 0] - middle) / 84) ** 2 + ((grid[..., 1] - 98) / 104) ** 2
    depth = 60 * (1 - np.minimum(radius, 1.3))
    for (x, y), height, (width, tall) in (
        (landmarks[30], 15, (10, 11)),
        (landmarks[28], 5, (7, 12)),
        (landmarks[[51, 57]].mean(0), 8, (20, 13)),
        (landmarks[8] - (0, 8), 16, (22, 17)),
        (landmarks[36:42].mean(0), -5, (10, 7)),
        (landmarks[42:48].mean(0), -5, (10, 7)),
    ):
        depth += height * np.exp(-(((grid[..., 0] - x) / width) ** 2 + ((grid[..., 1] - y) / tall) ** 2) / 2)
    return cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 1.5)


def expression_moves(landmarks: np.ndarray) -> np.ndarray:
    """What each mode at full weight does to each landmark: (68, 2 * len(MODES)) native pixels."""
    moves = np.zeros((len(MODES), 68, 2))
    blink, jaw, close, rounded, brows = moves
    for upper, lower in zip(_UPPER_LIDS, _LOWER_LIDS, strict=True):
        gap = landmarks[lower] - landmarks[upper]
        blink[upper] = 0.86 * gap
        blink[lower] = -0.14 * gap

    for index, share in _JAW_DROP.items():
        jaw[index, 1] = 0.85 * share * _JAW_PIXELS
    jaw[[56, 57, 58, 65, 66, 67], 1] = _JAW_PIXELS
    jaw[[55, 59], 1] = 0.7 * _JAW_PIXELS
    jaw[[48, 54, 60, 64], 1] = 0.22 * _JAW_PIXELS

    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        gap = landmarks[lower, 1] - landmarks[upper, 1]
        close[upper, 1], close[lower, 1] = 0.27 * gap, -0.7 * gap
    close[[49, 50, 51, 52, 53], 1] = 0.7 * close[[61, 61, 62, 63, 63], 1]
    close[[59, 58, 57, 56, 55], 1] = 0.75 * close[[67, 67, 66, 65, 65], 1]
    close[7:10, 1] = 0.4 * close[66, 1]

    middle = landmarks[48:68, 0].mean()
    lips = slice(48, 68)
    rounded[lips, 0] = -0.16 * (landmarks[lips, 0] - middle)
    rounded[[50, 51, 52], 1] = -0.8
    rounded[[56, 57, 58], 1] = 1.2

    brows[17:27, 1] = -4.0
    brows[[20, 21, 22, 23], 1] = -4.8
    return moves.transpose(1, 0, 2).reshape(68, -1)


def _hold_at(grid: np.ndarray) -> np.ndarray:
    """Weight (h, w) with which each point follows the head: 1 on the face and hair, 0 from the collar down."""
    x, y = np.abs(grid[..., 0] - 225), grid[..., 1]
    below = np.clip((y - 174) / 60, 0, 1)
    beside = np.clip((x - 62) / 50, 0, 1) * np.clip((y - 120) / 25, 0, 1)
    return _ease(1 - below) * _ease(1 - beside)


def _ease(value: np.ndarray) -> np.ndarray:
    return (value * value * (3 - 2 * value)).astype(np.float32)
