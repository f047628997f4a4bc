"""Faces that need no model: bright discs on a dark ground, and a Deblurrer that sharpens."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facedeblur.inference.find import FaceFinder


def discs(height: int, width: int, faces: list[tuple[float, float, float]], seed: int = 0) -> np.ndarray:
    """RGB uint8 picture of smooth noise, in which every face (x, y, radius) is a brighter disc."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((height, width, 3), np.float32), (0, 0), 1.0)
    noise = (noise - noise.min()) / np.ptp(noise)
    y, x = np.mgrid[:height, :width]
    picture = 10 + 80 * noise
    for cx, cy, radius in faces:
        picture[(x - cx) ** 2 + (y - cy) ** 2 <= radius**2] += 130
    return picture.astype(np.uint8)


class Discs:
    """Detector and localiser of the discs."""

    def __init__(self) -> None:
        self.last: tuple[np.ndarray | None, list] = (None, [])

    def found(self, image):
        if self.last[0] is not image:
            self.last = (image, _found(image))
        return self.last[1]

    def detect(self, image):
        return [(x - r, y - r, x + r, y + r, 1.0) for x, y, r in self.found(image)]

    def localize(self, image, box):
        centre, half = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box[2] - box[0]) / 2
        faces = self.found(image) or [(*centre, half / 1.4)]  # like a real one, it answers all the same
        x, y, r = min(faces, key=lambda face: (face[0] - centre[0]) ** 2 + (face[1] - centre[1]) ** 2)
        angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        return np.stack([x + r * np.cos(angles), y + r * np.sin(angles)], axis=1).astype(np.float32)


def _found(image: np.ndarray) -> list[tuple[float, float, float]]:
    assert image.dtype == np.uint8
    bright = (cv2.blur(image[..., 1], (3, 3)) > 115).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
    boxes = [(x, y, w, h) for x, y, w, h, area in stats[1:].tolist() if area > 60]
    return [(x + (w - 1) / 2, y + (h - 1) / 2, max(w, h) / 2) for x, y, w, h in boxes]


class Unsharp:
    """A Deblurrer that raises what a blur of 5 x 5 pixels takes away. `seen`: the shapes it was given."""

    def __init__(self, tint: float = 0.0) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.tint = tint

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        assert images.dtype == torch.float32 and images.min() >= 0 and images.max() <= 1
        self.seen.append(tuple(images.shape))
        soft = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, 1)
        return (images + 0.8 * (images - soft) + self.tint).clamp(0, 1)


@pytest.fixture
def picture():
    return discs


@pytest.fixture
def unsharp():
    return Unsharp()


@pytest.fixture
def tinting():
    return Unsharp(tint=0.1)


@pytest.fixture
def finder():
    model = Discs()
    return FaceFinder(model, model)


@pytest.fixture
def discs_model():
    """The class of their detector and localiser."""
    return Discs
