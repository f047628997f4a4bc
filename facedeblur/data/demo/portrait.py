"""The one photograph every demo face is made of: scikit-image's public-domain `astronaut`, cut into layers.

All coordinates of the demo head are pixels of that photograph ("native" pixels): x to the right, y down, 0-based.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

ORIGIN = (30, -24)  # native (x, y) of the texture's first pixel; the rows above the photograph are transparent
EXTENT = (400, 384)  # native (width, height) the texture covers
SCALE = 1.5  # texture pixels per native pixel, so that synthesised detail can be finer than the photograph

# 68 iBUG points of the portrait, set once with a landmark localiser at twice the size and checked by eye.
LANDMARKS = np.array(
    [
        (179.5, 104.0), (180.0, 115.5), (181.0, 127.0), (182.0, 138.5), (185.0, 150.0), (191.0, 160.5), (200.0, 168.5),
        (209.0, 176.0), (220.5, 178.5), (232.0, 177.0), (243.0, 171.5), (253.0, 164.0), (260.5, 154.5), (265.0, 143.5),
        (268.0, 131.5), (270.5, 120.5), (272.0, 108.0),
        (186.0, 94.5), (192.0, 88.5), (200.5, 87.5), (209.0, 89.0), (216.5, 92.5),
        (236.0, 94.0), (244.0, 91.0), (252.0, 90.5), (260.0, 92.5), (265.5, 98.5),
        (226.0, 102.5), (225.5, 111.0), (225.5, 119.0), (225.5, 127.5),
        (214.5, 131.5), (219.5, 133.0), (224.5, 134.5), (229.5, 133.0), (234.5, 132.0),
        (195.0, 101.5), (200.5, 98.0), (207.0, 98.5), (212.5, 104.0), (206.5, 104.5), (200.0, 104.0),
        (237.5, 105.5), (243.5, 100.5), (250.0, 100.5), (255.5, 104.5), (250.0, 107.0), (244.0, 106.5),
        (200.5, 139.5), (209.0, 139.5), (218.0, 139.5), (223.5, 141.0), (229.5, 140.0), (237.5, 140.5), (246.0, 141.0),
        (237.5, 151.0), (229.0, 155.0), (222.0, 156.0), (216.0, 155.0), (207.5, 150.0),
        (203.5, 140.5), (217.5, 143.0), (223.0, 144.5), (229.5, 143.5), (242.5, 142.0), (229.0, 150.0), (222.5, 150.5),
        (216.5, 150.0),
    ],
    np.float32,
)  # fmt: skip

# Generous and sure outlines of the person and of the bare skin; GrabCut decides what lies between the two.
_PERSON_MAY = [
    (150, 60), (165, 30), (200, 12), (230, 8), (265, 20), (295, 45), (308, 90), (300, 120), (280, 142), (263, 152),
    (254, 174), (263, 184), (300, 205), (315, 240), (350, 270), (375, 310), (385, 360), (20, 360), (30, 280), (60, 235),
    (105, 200), (110, 175), (140, 140), (182, 145), (172, 132), (155, 110),
]  # fmt: skip
_PERSON_IS = [
    (180, 60), (200, 30), (230, 25), (270, 45), (285, 80), (285, 105), (273, 128), (255, 160), (252, 175),
    (285, 210), (300, 250), (340, 290), (350, 360), (50, 360), (50, 290), (90, 240), (140, 230), (125, 200),
    (135, 165), (175, 155), (186, 158), (184, 140), (175, 126), (178, 110), (168, 95),
]  # fmt: skip
_SKIN_MAY = [
    (183, 66), (205, 78), (240, 78), (270, 84), (275, 124), (284, 126), (278, 140), (268, 142), (258, 186), (238, 194),
    (195, 190), (182, 150), (168, 132), (166, 117), (180, 116),
]  # fmt: skip
_SKIN_IS = [
    (190, 84), (215, 86), (240, 88), (262, 94), (266, 110), (266, 140), (252, 168), (250, 180), (235, 187), (195, 180),
    (188, 165), (184, 145), (183, 110),
]  # fmt: skip
_HAIR_BELOW = 142  # native row under which nothing is hair


@dataclass(frozen=True)
class Portrait:
    """The photograph on the texture grid: `rgb` (H, W, 3) float32 in [0, 255]; `alpha` (the person), `skin`, `hair`
    and `suit` are (H, W) float32 masks in [0, 1]."""

    rgb: np.ndarray
    alpha: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    suit: np.ndarray


def to_texture(points: np.ndarray) -> np.ndarray:
    """Native coordinates (..., 2) to float32 texture coordinates, both with pixel centres at integers."""
    offset = np.float32(SCALE * (0.5 - np.array(ORIGIN)) - 0.5)
    return (points * np.float32(SCALE) + offset).astype(np.float32)


def texture_grid(step: int = 1) -> np.ndarray:
    """Native coordinates (H, W, 2) of every `step`-th texture pixel."""
    width, height = texture_size()
    x, y = np.meshgrid(np.arange(0, width, step), np.arange(0, height, step))
    return ((np.stack([x, y], -1) + 0.5) / SCALE - 0.5 + ORIGIN).astype(np.float32)


def texture_size() -> tuple[int, int]:
    """(width, height) of the texture in its own pixels."""
    return int(EXTENT[0] * SCALE), int(EXTENT[1] * SCALE)


def fill(polygon: np.ndarray, blur: float = 0.0) -> np.ndarray:
    """Mask (H, W) float32 in [0, 1] of a polygon given in native coordinates, feathered by `blur` native pixels."""
    width, height = texture_size()
    mask = np.zeros((height, width), np.uint8)
    points = np.round(to_texture(np.asarray(polygon, np.float32)) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift=4)
    return soften(mask.astype(np.float32) / 255, blur)


def soften(mask: np.ndarray, blur: float) -> np.ndarray:
    """Gaussian blur by `blur` native pixels; 0 returns the mask itself."""
    return cv2.GaussianBlur(mask, (0, 0), blur * SCALE) if blur > 0 else mask


@lru_cache(maxsize=1)
def load_portrait() -> Portrait:
    """Cut the photograph into layers (about a third of a second; kept for the life of the process)."""
    from skimage.data import astronaut

    photo = np.ascontiguousarray(astronaut()[: ORIGIN[1] + EXTENT[1], ORIGIN[0] : ORIGIN[0] + EXTENT[0]])
    person = _grab_cut(photo, _PERSON_MAY, _PERSON_IS)
    skin = _grab_cut(photo, _SKIN_MAY, _SKIN_IS) * person
    rows = np.arange(photo.shape[0])[:, None]
    hair = person * (1 - skin) * (rows < _HAIR_BELOW)
    # Hair on the rim is mixed with the wall: keep what is surely hair, and let its colour grow outwards.
    core = cv2.erode(person.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
    rgb = _grow_colour(photo, core)
    hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
    orange = (hsv[..., 1] > 110) & (hsv[..., 2] > 70) & ((hsv[..., 0] < 18) | (hsv[..., 0] > 170))
    orange &= (rows >= _HAIR_BELOW) & (skin < 0.5)
    return Portrait(
        rgb=np.clip(_enlarge(rgb.astype(np.float32)), 0, 255),
        alpha=np.clip(soften(_enlarge(person), 0.8) * 1.6 - 0.5, 0, 1),
        skin=soften(_enlarge(skin), 1.0),
        hair=soften(_enlarge(hair), 1.0),
        suit=soften(_enlarge(orange.astype(np.float32)), 0.7),
    )


def _grab_cut(photo: np.ndarray, may: list, surely: list) -> np.ndarray:
    mask = np.full(photo.shape[:2], cv2.GC_BGD, np.uint8)
    for polygon, label in ((may, cv2.GC_PR_FGD), (surely, cv2.GC_FGD)):
        cv2.fillPoly(mask, [np.array(polygon) - (ORIGIN[0], 0)], label)
    cv2.setRNGSeed(0)  # GrabCut's k-means draws from OpenCV's global generator
    cv2.grabCut(photo, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def _grow_colour(photo: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Replace what lies outside `core` by its nearest pixel inside."""
    _, labels = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros(labels.max() + 1, np.int64)
    inside = np.flatnonzero(core)
    nearest[labels.ravel()[inside]] = inside
    return photo.reshape(-1, 3)[nearest[labels]]


def _enlarge(image: np.ndarray) -> np.ndarray:
    """From the rows and columns of the photograph to the texture grid; rows above the photograph repeat its first."""
    image = cv2.copyMakeBorder(image, -ORIGIN[1], 0, 0, 0, cv2.BORDER_REPLICATE)
    return cv2.resize(image, texture_size(), interpolation=cv2.INTER_CUBIC if image.ndim == 3 else cv2.INTER_LINEAR)
