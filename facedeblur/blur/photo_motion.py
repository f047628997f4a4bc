"""Motion made from one photo: its face is shifted, turned and talks through a short path of warps, which are averaged.

A photo has no frames to average (Eq. 8), so they are made: every frame of a path displaces the pixels by a sum of
smooth fields around the 68 landmarks, and the middle one is the photo itself. Not in the paper; it lets thousands of
people move of whom there is only a photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from facedeblur.blur.face_fields import displacement_fields, pixel_grid
from facedeblur.blur.recorded_motion import content_of, recorded_path, recording
from facedeblur.blur.response import Response, identity
from facedeblur.settings import ADDED, check, check_range


@dataclass(frozen=True)
class MotionSettings:
    """How far a face moves in half of a window, at most. ValueError for an impossible value.

    Attributes:
        shift: of the head or of the camera, in sides of the face's tight box.
        turn: of the head about the viewing axis, in degrees.
        nod: about the other two axes: how far the nearest part moves against the outline, in sides.
        talk: of the jaw, in widths of the mouth.
        frames: how many are averaged, an odd number.
        camera: share of the windows in which all that is seen moves, not only the head.
        recorded: a file of `facedeblur motion`: its windows lead the face instead of shift, turn, nod and talk; "" for
            none.
        content: a hash of that file, filled in: what was planned with another one is planned anew.
    """

    shift: float = 0.09
    turn: float = 5.0
    nod: float = 0.07
    talk: float = 0.12
    frames: int = 15
    camera: float = 0.35
    recorded: str = field(default="", metadata=ADDED)
    content: str = field(default="", metadata=ADDED)

    def __post_init__(self) -> None:
        for name, most in {"shift": 1.0, "turn": 90.0, "nod": 1.0, "talk": 1.0, "camera": 1.0}.items():
            check_range(self, 0, most, name)
        check(self.frames >= 3 and self.frames % 2 == 1, "frames", "an odd number of at least 3", self.frames)
        if self.recorded and not self.content:
            try:
                object.__setattr__(self, "content", content_of(self.recorded))
                recording(self.recorded, self.content)
            except ValueError as error:
                raise ValueError(f"recorded: {error}") from None


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
    light = response.decode(sharp)
    amounts, fields = face_path(kernel_seed, light.shape[:2], landmarks, settings, seed)
    total = np.zeros(light.shape, np.float32)
    for moved in moving(light, amounts, fields):
        cv2.accumulate(moved, total)
    return np.clip(response.encode(total / len(amounts)), 0.0, 255.0)


def face_path(
    kernel_seed: int, shape: tuple[int, int], landmarks: np.ndarray, settings: MotionSettings, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """How the pixels of an image (H, W) move from frame to frame.

    Returns:
        amounts (frames, A), zeros in the middle, and fields (A, 2, H, W), float32 both: a frame displaces the pixels by
        the sum of the fields by its amounts, in pixels.
    """
    rng, points = np.random.default_rng([seed, 2, kernel_seed]), np.asarray(landmarks, np.float64)
    if settings.recorded:
        found, camera = recording(settings.recorded, settings.content), bool(rng.random() < settings.camera)
        return recorded_path(rng, found, shape, points, settings.frames, camera)
    path = draw_path(rng, settings)
    return path.amounts.astype(np.float32), displacement_fields(shape, points, path.camera)


def moving(light: np.ndarray, amounts: np.ndarray, fields: np.ndarray) -> Iterator[np.ndarray]:
    """The frames of a path, each as `light` (H, W[, 3]) moved by its amounts; by none it is `light` itself."""
    grid = pixel_grid(light.shape[:2])
    for amount in amounts:
        if not amount.any():
            yield light
            continue
        source = grid - np.tensordot(amount, fields, 1)
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
