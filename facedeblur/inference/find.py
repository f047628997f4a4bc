"""Every face in a picture: detected, localised, and believed only where both agree; where none is, searched again.

Blur hides faces from the detector. So a picture without a face is searched once more with more tolerance: for what the
detector is less sure of, at smaller sizes, where blur is shorter, and believed where two of these searches agree; then
turned by quarter turns, as a scanned or wrongly tagged photo may lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from facedeblur.faces.crop import CropBox, crop_box
from facedeblur.faces.dlib_models import DlibDetector, DlibLocalizer, landmark_box, localize_twice
from facedeblur.faces.follow import SAME_FACE, iou
from facedeblur.faces.protocols import Box, Detector, Localizer

# dlib knows faces from 80 pixels on. Photos are searched at up to this side, where those are 1/37 of it; videos, which
# are searched again and again, at a smaller one.
PHOTO_SIDE = 3000
VIDEO_SIDE = 960

KEEN_SIDE = 1000  # of the second search
KEEN_SCORE = -0.5  # from where on detections count in it
FOLLOW_SCORE = -0.3  # and in videos, where successive searches have to agree
KEEN_SCALES = (1.0, 0.75, 0.56, 0.42)
TURNS = (1, 3, 2)  # quarter turns, the likelier ones first

GIVEN_SCALE = 1.35  # side of the crop / longer side of a box that a user draws around a face, as detectors do


class Found(NamedTuple):
    """Faces, the largest first, (68, 2) float32 pixels each, in the picture turned counterclockwise `turns` times."""

    turns: int
    faces: list[np.ndarray]


@dataclass(frozen=True)
class FaceFinder:
    """`find(picture)`: the landmarks of all faces in it; `search(picture)`: the same, with more tolerance.

    Attributes:
        detector, localizer: the models.
        keen: a detector that also answers where it is not sure, for the second search; None for none.
        follow: the same for faces that are followed; `detector` by default.
    """

    detector: Detector
    localizer: Localizer
    keen: Detector | None = None
    follow: Detector | None = None

    @classmethod
    def dlib(cls, side: int = PHOTO_SIDE) -> FaceFinder:
        """With dlib's models. Raises FacesExtraError, naming the remedy, where they are not installed."""
        keen = DlibDetector(min_score=KEEN_SCORE, longest=KEEN_SIDE, retry=False)
        return cls(DlibDetector(longest=side), DlibLocalizer(), keen, DlibDetector(FOLLOW_SCORE, longest=side))

    def find(self, picture: np.ndarray) -> list[np.ndarray]:
        """Faces in RGB uint8 (H, W, 3), the largest first: (68, 2) float32 pixels each."""
        return self._localized(picture, [tuple(detected[:4]) for detected in self.detector.detect(picture)])

    def search(self, picture: np.ndarray) -> Found:
        """Faces in RGB uint8 (H, W, 3), also blurred ones, and in a picture that lies on its side or its head."""
        faces = self.find(picture)
        if not faces and self.keen is not None:
            faces = self._localized(picture, self._agreed(picture))
            for turns in () if faces else TURNS:
                turned = np.ascontiguousarray(np.rot90(picture, turns))
                if faces := self._localized(turned, self._agreed(turned)):
                    return Found(turns, faces)
        return Found(0, faces)

    def localize(self, picture: np.ndarray, box: Box) -> np.ndarray | None:
        """The landmarks of a detected face, or None where they end up elsewhere: then it is no face."""
        points = localize_twice(self.localizer, picture, box)
        return points if iou(landmark_box(points), box) >= SAME_FACE else None

    def crop_in(self, picture: np.ndarray, given: Box) -> CropBox:
        """The crop of the face in a box (x, y, width, height) that a user drew: by its landmarks, else by the box."""
        x, y, width, height = given
        half, middle = max(width, height) / 2, (x + width / 2, y + height / 2)
        points = self.localize(picture, (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))
        if points is not None:
            return crop_box(points)
        side = max(2, round(2 * half * GIVEN_SCALE))
        return CropBox(round(middle[0] - side / 2), round(middle[1] - side / 2), side)

    def _localized(self, picture: np.ndarray, detected: list[Box]) -> list[np.ndarray]:
        faces: list[np.ndarray] = []
        boxes: list[Box] = []
        for box in detected:
            points = self.localize(picture, box)
            own = None if points is None else landmark_box(points)
            if own and not any(iou(own, other) > SAME_FACE for other in boxes):
                faces.append(points)
                boxes.append(own)
        return sorted(faces, key=lambda points: -float(np.ptp(points, axis=0).max()))

    def _agreed(self, picture: np.ndarray) -> list[Box]:
        """Boxes that two searches have in common, or of which one search is sure."""
        scale = min(1.0, KEEN_SIDE / max(picture.shape[:2]))
        searches = [self._boxes(picture, scale * share) for share in KEEN_SCALES]
        agreed: list[tuple[float, Box]] = []
        for number, boxes in enumerate(searches):
            for *box, score in boxes:
                others = [s for i, s in enumerate(searches) if i != number]
                if score >= 0 or any(iou(tuple(box), tuple(other[:4])) >= SAME_FACE for s in others for other in s):
                    agreed.append((score, tuple(box)))
        return [box for _, box in sorted(agreed, key=lambda entry: -entry[0])]

    def _boxes(self, picture: np.ndarray, scale: float) -> list[tuple[float, ...]]:
        """What the keen detector finds in the picture at another size, in pixels of the picture."""
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        found = self.keen.detect(picture if scale == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        return [(*(value / scale for value in box), score) for *box, score in found]
