"""Augmentation for a few hundred annotated faces: where the box lies, how the face turns, light, blur, occlusion."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from facedeblur.faces.mirror import mirror_points
from facedeblur.settings import check_range


@dataclass(frozen=True)
class CropAugmentSettings:
    """How far a face's crop and its pixels are changed; all zeros change nothing.

    Attributes:
        rotation: standard deviation in degrees.
        scale: of the crop's side, standard deviation of its logarithm.
        shift: of the crop's centre, standard deviation in sides of the detector's box.
        stretch: of the ratio of width to height (logarithm) and of the shear, standard deviation.
        flip, light, grey, degrade, occlude: probabilities: mirrored; brightness, contrast, gamma and colour; no colour;
            one of Gaussian blur, motion blur and noise; a rectangle painted over.

    Raises:
        ValueError: naming the field.
    """

    rotation: float = 15.0
    scale: float = 0.08
    shift: float = 0.035
    stretch: float = 0.04
    flip: float = 0.5
    light: float = 0.8
    grey: float = 0.15
    degrade: float = 0.4
    occlude: float = 0.3

    def __post_init__(self) -> None:
        check_range(self, 0, 180, "rotation")
        check_range(self, 0, 1, *(field.name for field in fields(self) if field.name != "rotation"))


def placement(
    centre: np.ndarray, side: float, box_side: float, size: int, settings: CropAugmentSettings, rng: np.random.Generator
) -> np.ndarray:
    """The (2, 3) affine map of pixels from an image to an augmented crop of it.

    Args:
        centre, side: of the square to be cut out, in pixels of the image; its edges are half a pixel outside pixel
            centres, as `faces.crop` has it.
        box_side: of the detector's box.
        size: of the crop.
    """

    def normal(deviation: float, count: int | None = None):
        return deviation * np.clip(rng.standard_normal(count), -2.5, 2.5)

    centre = np.asarray(centre, np.float64) + normal(settings.shift * box_side, 2)
    turn = np.deg2rad(normal(settings.rotation))
    scale = size / side * np.exp(normal(settings.scale))
    stretch, shear = np.exp(normal(settings.stretch)), normal(settings.stretch)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.array([[stretch, shear], [0.0, 1 / stretch]])
    offset = (size - 1) / 2 - linear @ centre
    return np.column_stack([linear, offset])


def augmented_crop(
    image: np.ndarray, points: np.ndarray, matrix: np.ndarray, size: int, settings: CropAugmentSettings, rng
) -> tuple[np.ndarray, np.ndarray]:
    """The crop that `matrix` cuts out of an RGB uint8 image, changed, and its points.

    Returns:
        (size, size, 3) uint8 and (68, 2) float32 pixels of the crop; points may lie outside.
    """
    face = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    points = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if rng.random() < settings.flip:
        face, points = np.ascontiguousarray(face[:, ::-1]), mirror_points(points, size)
    if rng.random() < settings.light:
        face = _lit(face, rng)
    if rng.random() < settings.grey:
        face = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < settings.degrade:
        face = _degraded(face, rng)
    if rng.random() < settings.occlude:
        face = _occluded(face, rng)
    return face, points


def _lit(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another gamma, contrast, brightness and, a little, another colour."""
    gamma, contrast = np.exp(rng.normal(0, 0.25)), 1 + rng.normal(0, 0.2)
    levels = ((np.linspace(0, 1, 256) ** gamma) * 255 - 128) * contrast + 128 + rng.normal(0, 20)
    table = np.clip(levels[:, None] + rng.normal(0, 6, 3), 0, 255).astype(np.uint8)
    return cv2.LUT(face, table[None])


def _degraded(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, moved, or noisy: what a judge of deblurred faces will meet."""
    kind = rng.integers(3)
    if kind == 0:
        return cv2.GaussianBlur(face, (0, 0), rng.uniform(0.5, 2.0))
    if kind == 1:
        return cv2.filter2D(face, -1, _streak(rng.uniform(3, 10), rng.uniform(0, np.pi)))
    noise = rng.normal(0, rng.uniform(2, 12), face.shape)
    return np.clip(face + noise, 0, 255).astype(np.uint8)


def _streak(length: float, angle: float, side: int = 11) -> np.ndarray:
    """A straight motion kernel of `length` pixels, summing to 1."""
    steps = np.linspace(-0.5, 0.5, 4 * side)[:, None] * length * [np.cos(angle), np.sin(angle)] + side // 2
    kernel = np.zeros((side, side), np.float32)
    np.add.at(kernel, tuple(np.rint(steps).astype(int).T), 1)
    return kernel / kernel.sum()


def _occluded(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of one colour or of noise in front, an eighth to three eighths of the crop a side."""
    size = face.shape[0]
    width, height = rng.integers(size // 8, 3 * size // 8, 2)
    x, y = rng.integers(-size // 12, size - size // 12, 2)
    face = face.copy()
    part = face[max(y, 0) : y + height, max(x, 0) : x + width]
    part[:] = rng.integers(0, 256, 3) if rng.random() < 0.5 else rng.integers(0, 256, part.shape)
    return face
