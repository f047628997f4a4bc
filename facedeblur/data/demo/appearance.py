"""The texture of one identity: the photograph in its shape and colours, under its light, with its details."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facedeblur.data.demo.details import paint_beard, paint_brows, paint_glasses, paint_hair, paint_skin
from facedeblur.data.demo.head import depth_at
from facedeblur.data.demo.identity import Identity, shape_landmarks
from facedeblur.data.demo.portrait import SCALE, fill, load_portrait, soften, texture_grid, to_texture
from facedeblur.data.demo.warp import shape_lookup

_CAVITY = np.array([62, 26, 24], np.float32)  # RGB of the mouth behind the teeth
_MOUTH_MARGIN = 16


@dataclass(frozen=True)
class Texture:
    """What the renderer looks up.

    `rgba` (H, W, 4) uint8: colours premultiplied by the person's alpha. `openings` (H, W) uint8: what lies between the
    lips and between the lids. `inner` (h, w, 3) uint8: teeth and cavity, whose first pixel lies at texture pixel
    `inner_origin` (x, y). `landmarks` (68, 2) float32, native pixels.
    """

    rgba: np.ndarray
    openings: np.ndarray
    inner: np.ndarray
    inner_origin: tuple[int, int]
    landmarks: np.ndarray


def build_texture(person: Identity) -> Texture:
    """Make the texture of `person` (about a third of a second)."""
    portrait = load_portrait()
    points = shape_landmarks(person.shape)
    lookup = shape_lookup(points, person.shape["hair_volume"])
    rgb = cv2.remap(portrait.rgb, lookup, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    masks = np.stack([portrait.alpha, portrait.skin, portrait.hair, portrait.suit], -1)
    alpha, skin, hair, suit = np.moveaxis(cv2.remap(masks, lookup, None, cv2.INTER_LINEAR), -1, 0)
    # Eyes and teeth take only a little of the skin's colour, or they would glow in a dark face.
    features = np.clip(fill(points[36:42], 0.4) + fill(points[42:48], 0.4) + fill(points[60:68], 0.4), 0, 1)
    bare = skin * (1 - 0.75 * features)

    lab = cv2.cvtColor(np.clip(rgb, 0, 255) / 255, cv2.COLOR_RGB2LAB)
    lab = recolour(lab, bare, person.skin, contrast=0.6 + 0.3 * person.skin[0] / 70)
    lab = recolour(lab, hair, person.hair, contrast=0.4 + 0.6 * person.hair[0] / 70)
    lab = recolour(lab, suit, person.suit, contrast=0.9)
    lab = paint_hair(paint_skin(lab, bare, person, points), hair, person)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255
    rgb = rgb + 0.6 * (rgb - soften(rgb, 0.8))

    dark = np.float32([[(min(person.hair[0], 45) * 0.5, 0.6 * person.hair[1], 0.6 * person.hair[2])]])
    colour = cv2.cvtColor(dark, cv2.COLOR_LAB2RGB).ravel() * 255
    rgb = paint_beard(paint_brows(rgb, person, points, colour), bare, person, points, colour)
    rgb = np.clip(rgb * light_gain(points, person.light)[..., None], 0, 255)
    inner, origin = _mouth_inside(rgb, points)
    rgb = np.clip(paint_glasses(rgb, hair, person, points), 0, 255)
    rgba = np.concatenate([rgb * alpha[..., None], alpha[..., None] * 255], -1)
    openings = sum(fill(points[part], 0.35) for part in (slice(36, 42), slice(42, 48), slice(60, 68))) * 255
    return Texture(np.round(rgba).astype(np.uint8), np.round(openings).astype(np.uint8), inner, origin, points)


def recolour(lab: np.ndarray, mask: np.ndarray, target: tuple, contrast: float) -> np.ndarray:
    """Move the mean colour under `mask` (H, W) to `target` and scale what varies around it; hue varies less where the
    target has little, or grey hair would shimmer in colours."""
    mean = (lab * mask[..., None]).sum((0, 1)) / mask.sum()
    hue = contrast * min(1.0, np.hypot(*target[1:]) / 30)
    moved = np.asarray(target, np.float32) + (lab - mean) * np.float32([contrast, hue, hue])
    return (lab + mask[..., None] * (moved - lab)).astype(np.float32)


def light_gain(points: np.ndarray, light: tuple[float, float]) -> np.ndarray:
    """(H, W) factor of a distant key light on the head's surface, 1 where it faces the camera."""
    angle, contrast = np.radians(light[0]), light[1]
    depth = depth_at(texture_grid(), points)
    slope_x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=SCALE / 8)
    slope_y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=SCALE / 8)
    lean = -(np.sin(angle) * slope_x - np.cos(angle) * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return soften(np.clip(1 + contrast * lean, 0.4, 1.2).astype(np.float32), 3.0)


def _mouth_inside(rgb: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Upper teeth, as far as the photograph shows them, over a dark cavity."""
    lips = to_texture(points[60:68])
    left, top = np.floor(lips.min(0) - _MOUTH_MARGIN * SCALE).astype(int)
    right, bottom = np.ceil(lips.max(0) + _MOUTH_MARGIN * SCALE).astype(int)
    window = slice(top, bottom), slice(left, right)
    opening = fill(points[60:68])[window] > 0.6
    image = np.round(rgb[window]).astype(np.uint8)
    image = cv2.inpaint(image, (~opening).astype(np.uint8), 4, cv2.INPAINT_TELEA).astype(np.float32)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    lower = lips[5:8, 1].mean() - 1.5
    deep = np.clip((y - lower) / (2.5 * SCALE), 0, 1)
    deep = np.maximum(deep, np.clip(2.2 * np.abs(x - lips[:, 0].mean()) / np.ptp(lips[:, 0]) - 0.55, 0, 0.9))
    image = image * (1 - deep[..., None]) + deep[..., None] * _CAVITY
    return np.round(image).astype(np.uint8), (int(left), int(top))
