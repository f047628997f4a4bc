"""Every face in a picture: detected, localised, and believed only where both agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facedeblur.faces.dlib_models import DlibDetector, DlibLocalizer, landmark_box
from facedeblur.faces.follow import SAME_FACE, iou
from facedeblur.faces.protocols import Box, Detector, Localizer

# dlib knows faces from 80 pixels on. Photos are searched at up to this side, where those are 1/37 of it; videos, which
# are searched again and again, at a smaller one.
PHOTO_SIDE = 3000
VIDEO_SIDE = 960


@dataclass(frozen=True)
class FaceFinder:
    """`find(picture)`: the landmarks of all faces in it."""

    detector: Detector
    localizer: Localizer

    @classmethod
    def dlib(cls, side: int = PHOTO_SIDE) -> FaceFinder:
        """With dlib's models. Raises FacesExtraError, naming the remedy, where they are not installed."""
        return cls(DlibDetector(longest=side), DlibLocalizer())

    def find(self, picture: np.ndarray) -> list[np.ndarray]:
        """Faces in RGB uint8 (H, W, 3), the largest first: (68, 2) float32 pixels each."""
        faces: list[np.ndarray] = []
        boxes: list[Box] = []
        for *detected, _ in self.detector.detect(picture):
            points = self.localize(picture, tuple(detected))
            box = None if points is None else landmark_box(points)
            if box and not any(iou(box, other) > SAME_FACE for other in boxes):
                faces.append(points)
                boxes.append(box)
        return sorted(faces, key=lambda points: -float(np.ptp(points, axis=0).max()))

    def localize(self, picture: np.ndarray, box: Box) -> np.ndarray | None:
        """The landmarks of a detected face, or None where they end up elsewhere: then there is none."""
        # Once more from the landmarks' own box: detections are quantised.
        points = self.localizer.localize(picture, landmark_box(self.localizer.localize(picture, box)))
        return points if iou(landmark_box(points), box) >= SAME_FACE else None
