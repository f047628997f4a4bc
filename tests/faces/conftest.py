"""Stand-ins for faces and for the models that find them."""

from __future__ import annotations

import numpy as np
import pytest


def face_at(x: float, y: float, radius: float = 20.0) -> np.ndarray:
    """68 points evenly on a circle, (68, 2) float32."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1).astype(np.float32)


class Scene:
    """A detector and localiser over scripted faces: frame `i` is an image whose every pixel is `i`."""

    def __init__(self) -> None:
        self.faces: dict[int, list[tuple[float, float, float]]] = {}  # visible to the localiser: x, y, radius
        self.hidden: set[int] = set()  # frames in which the detector sees nothing
        self.asked: list[int] = []

    def detect(self, image):
        index = int(image[0, 0, 0])
        self.asked.append(index)
        faces = [] if index in self.hidden else self.faces.get(index, [])
        return [(x - r, y - r, x + r, y + r, 1.0) for x, y, r in faces]

    def localize(self, image, box):
        radius = (box[2] - box[0]) / 2.8  # the inverse of landmark_box
        centre = (box[0] + box[2]) / 2 + 0.03 * radius, (box[1] + box[3]) / 2 + 0.125 * radius
        faces = self.faces.get(int(image[0, 0, 0]), [])
        if not faces:  # like a real one, it answers all the same
            return face_at(*centre, radius)
        x, y, radius = min(faces, key=lambda face: (face[0] - centre[0]) ** 2 + (face[1] - centre[1]) ** 2)
        return face_at(x, y, radius)


class Portraits:
    """An embedder that knows people by the numbers that a test gives their images."""

    def embed(self, image, landmarks):
        return np.eye(128, dtype=np.float32)[int(image[0, 0, 0])]


@pytest.fixture
def portraits() -> Portraits:
    return Portraits()


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def make_face():
    return face_at
