"""What is painted onto a face: brows, beard, freckles, wrinkles, lips, glasses and the fine grain of skin and hair.

Painters take the texture in L*a*b* or RGB, (H, W, 3) float32, and return a new one; landmarks are native pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.data.demo.identity import Identity
from facedeblur.data.demo.portrait import SCALE, fill, soften, texture_size, to_texture

_SHIFT = 4  # fractional bits of the coordinates handed to OpenCV's drawing functions


def paint_skin(lab: np.ndarray, skin: np.ndarray, person: Identity, points: np.ndarray) -> np.ndarray:
    """Lips, freckles, wrinkles and grain, in L*a*b*."""
    rng = np.random.default_rng(person.texture_seed)
    lips = np.clip(fill(points[48:60], 0.6) - fill(points[60:68], 0.4), 0, 1)[..., None]
    lab = lab + lips * np.array([-7.0, 12.0, 2.0], np.float32) * (2 * person.lips - 0.4)
    tone = -13 * person.freckles * _freckles(points, rng) - 15 * person.wrinkles * _wrinkles(points)
    tone += 1.1 * _noise(rng, 0.8) + 1.0 * _noise(rng, 2.2) + 1.2 * _noise(rng, 9.0)
    lab[..., 0] += skin * tone * np.sqrt(person.skin[0] / 70)
    return lab


def paint_hair(lab: np.ndarray, hair: np.ndarray, person: Identity) -> np.ndarray:
    """Strands, in L*a*b*."""
    rng = np.random.default_rng([person.texture_seed, 1])
    strands = cv2.GaussianBlur(rng.standard_normal(hair.shape).astype(np.float32), (0, 0), 0.8, sigmaY=3)
    strands *= (1 + 0.02 * person.hair[0]) / strands.std()
    lab[..., 0] += hair * strands
    return lab


def paint_brows(rgb: np.ndarray, person: Identity, points: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Short strokes along the brows, more and thicker with `person.brows`."""
    rng = np.random.default_rng([person.texture_seed, 2])
    mask = _blank()
    for brow, side in ((points[17:22], 1), (points[26:21:-1], -1)):
        for position in rng.uniform(0, 4, int(30 + 90 * person.brows)):
            start = brow[int(position)] + (position % 1) * (brow[min(int(position) + 1, 4)] - brow[int(position)])
            thickness = (0.6 + 2.0 * person.brows) * np.sin(np.pi * (0.2 + 0.7 * position / 4))
            start = start + (0, rng.uniform(-0.3, 1.0) * thickness)
            _line(mask, [start, start + (side * rng.uniform(1.5, 3), rng.uniform(-1.8, 0.2))], 1)
    return _blend(rgb, soften(mask, 0.35), colour, 0.45 + 0.4 * person.brows)


def paint_beard(
    rgb: np.ndarray, skin: np.ndarray, person: Identity, points: np.ndarray, colour: np.ndarray
) -> np.ndarray:
    """Stubble or beard on jaw, chin and upper lip."""
    if person.beard == 0:
        return rgb
    rng = np.random.default_rng([person.texture_seed, 3])
    cheeks = [points[12] - (3, 6), points[54] + (4, -2), points[35] + (2, 2), points[33] + (0, 2)]
    cheeks += [points[31] + (-2, 2), points[48] + (-4, -2), points[4] + (3, -6)]
    area = fill(np.array([*points[4:13], *cheeks]), 2.2) * (1 - fill(points[48:60], 0.8)) * skin
    hairs = np.clip(0.62 + 0.16 * _noise(rng, 0.9), 0, 1)
    return _blend(rgb, area * hairs, colour, min(0.95, 0.25 + 0.8 * person.beard))


def paint_glasses(rgb: np.ndarray, hair: np.ndarray, person: Identity, points: np.ndarray) -> np.ndarray:
    """Frames around both eyes, a bridge, temples that vanish under the hair, and a faint reflection."""
    if person.glasses == "none":
        return rgb
    rng = np.random.default_rng([person.texture_seed, 4])
    frame, glare = _blank(), _blank()
    eyes = [points[36:42].mean(0) + (-0.5, 1.5), points[42:48].mean(0) + (0.5, 1.5)]
    wide = 0.35 * np.linalg.norm(eyes[1] - eyes[0])
    tall = wide * {"round": 0.92, "square": 0.72, "half": 0.7}[person.glasses]
    power = {"round": 2.0, "square": 5.0, "half": 3.0}[person.glasses]
    angle = np.linspace(0, 2 * np.pi, 49)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1)
    outline = np.sign(outline) * np.abs(outline) ** (2 / power) * (wide, tall)
    for eye, ear, side in ((eyes[0], points[0], -1), (eyes[1], points[16], 1)):
        rim = outline[outline[:, 1] <= 1] if person.glasses == "half" else outline
        _line(frame, eye + rim[np.argsort(rim[:, 0])] if person.glasses == "half" else eye + rim, 2)
        _line(frame, [eye + (side * wide, -0.3 * tall), (ear[0] - side, eye[1] - 0.45 * tall)], 2)
        streak = np.array([(-0.5, -0.6), (-0.1, -0.75), (-0.45, 0.5), (-0.7, 0.2)]) * (wide, tall)
        glare += fill(eye + streak, 1.0)
    bridge = np.array([(-1, 0), (-0.4, -2.2), (0.4, -2.2), (1, 0)])
    gap = (eyes[1][0] - eyes[0][0]) / 2 - wide
    _line(frame, (eyes[0] + eyes[1]) / 2 + bridge * (gap, 1) - (0, 0.25 * tall), 2)
    colour = np.array([(22, 20, 22), (86, 46, 24), (120, 118, 116), (24, 34, 70)][rng.integers(4)], np.float32)
    rgb = _blend(rgb, glare, np.full(3, 255, np.float32), 0.12)
    return _blend(rgb, soften(frame, 0.3) * (1 - hair), colour, 0.75)


def _freckles(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mask = _blank()
    left, right, top, bottom = points[2, 0], points[14, 0], points[28, 1], points[33, 1] + 6
    for _ in range(150):
        centre = np.round(to_texture(rng.uniform((left, top), (right, bottom))) * 2**_SHIFT).astype(int).tolist()
        radius = int(rng.uniform(0.7, 1.5) * SCALE * 2**_SHIFT / 1.5)
        cv2.circle(mask, centre, radius, float(rng.uniform(0.4, 1)), -1, cv2.LINE_AA, _SHIFT)
    return soften(mask, 0.35)


def _wrinkles(points: np.ndarray) -> np.ndarray:
    mask = _blank()
    for rise in (5, 8.5):
        brow = points[[18, 19, 20, 21, 22, 23, 24, 25]] - (0, rise)
        _line(mask, cv2.GaussianBlur(brow, (1, 5), 0), 1)
    for wing, corner, side in ((31, 48, -1), (35, 54, 1)):
        _line(mask, [points[wing] + (side * 2, -2), points[wing] + (side * 7, 4), points[corner] + (side * 5, 0),
                     points[corner] + (side * 4, 7)], 2)  # fmt: skip
    for corner, side in ((36, -1), (45, 1)):
        for drop in (-3, 0, 3):
            _line(mask, [points[corner] + (side * 3, 0.4 * drop), points[corner] + (side * 8, drop)], 1)
    for inner, outer in ((39, 36), (42, 45)):
        _line(mask, [points[inner] + (0, 4), (points[inner] + points[outer]) / 2 + (0, 8), points[outer] + (0, 5)], 2)
    return soften(mask, 0.7)


def _noise(rng: np.random.Generator, width: float) -> np.ndarray:
    """Gaussian noise (H, W) of unit variance, correlated over `width` texture pixels."""
    wide, high = texture_size()
    noise = cv2.GaussianBlur(rng.standard_normal((high, wide)).astype(np.float32), (0, 0), width)
    return noise / noise.std()


def _blank() -> np.ndarray:
    return np.zeros(texture_size()[::-1], np.float32)


def _line(mask: np.ndarray, points: np.ndarray, thickness: int) -> None:
    """Draw a polyline of native points; drawn on bytes because OpenCV anti-aliases nothing else."""
    layer = np.zeros(mask.shape, np.uint8)
    path = np.round(to_texture(np.asarray(points, np.float32)) * 2**_SHIFT).astype(np.int32)
    cv2.polylines(layer, [path], False, 255, thickness, cv2.LINE_AA, _SHIFT)
    np.maximum(mask, layer / np.float32(255), out=mask)


def _blend(rgb: np.ndarray, mask: np.ndarray, colour: np.ndarray, strength: float) -> np.ndarray:
    weight = (mask * strength)[..., None]
    return rgb * (1 - weight) + weight * colour
