"""What a face detector, a 68-point localiser and an identity embedder are to the rest of the package."""

from __future__ import annotations

from typing import Protocol

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


class Detector(Protocol):
    def detect(self, image: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        """Faces in an RGB uint8 (H, W, 3) image: (x0, y0, x1, y1, score) in pixels, best score first."""


class Localizer(Protocol):
    def localize(self, image: np.ndarray, box: Box) -> np.ndarray:
        """The 68 landmarks (Multi-PIE order) of the face in `box`: (68, 2) float32 pixels (x, y), 0-based."""


class Embedder(Protocol):
    def embed(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Identity of the face with these (68, 2) landmarks: (128,) float32; distances compare two faces."""
