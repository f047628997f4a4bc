"""Following every face of a video at once, frame by frame and without an end: nothing is kept of earlier frames.

`follow.FaceFollower` looks back over a whole clip for landmarks that training can trust; this one must answer at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from facedeblur.faces.dlib_models import landmark_box, localize_twice
from facedeblur.faces.follow import CHECK_EVERY, SAME_FACE, SEARCH_EVERY, iou, is_smooth, prominence
from facedeblur.faces.protocols import Box, Detector, Localizer

PATIENCE = 2  # questions in a row that may go unanswered: heads turn, and the detector knows frontal faces only
UNSURE = 0.0  # detections with a lower score confirm a face; where one is new, two searches have to agree on it


@dataclass
class _Face:
    landmarks: np.ndarray
    unanswered: int = 0

    @property
    def box(self) -> Box:
        return landmark_box(self.landmarks)


class FacesFollower:
    """Told every frame of a video in order, says where its faces are.

    Args:
        detector, localizer: the models.
        largest: follow one face only, the most prominent when it was taken up.
        given: the boxes of the faces in the first frame; others are not searched until these are lost.
    """

    def __init__(
        self, detector: Detector, localizer: Localizer, largest: bool = False, given: Sequence[Box] = ()
    ) -> None:
        self._detector, self._localizer, self._largest = detector, localizer, largest
        self._given = list(given)
        self._unsure: list[Box] = []  # of the last search
        self._faces: dict[int, _Face] = {}
        self._numbers = count()
        self._next_search = 0

    def update(self, index: int, frame: np.ndarray, cut: bool = False) -> dict[int, np.ndarray]:
        """The faces of frame `index`, RGB uint8 (H, W, 3): track number -> landmarks (68, 2) float32.

        A number stays with a face until it is lost; a `cut`, the first frame of a new shot, ends all tracks.
        """
        if cut:
            self._faces.clear()
            self._next_search = index
        self._follow(index, frame)
        if self._given and (index == 0 or self._faces):
            if index == 0:
                self._take_up_given(frame)
        elif index >= self._next_search:
            self._search(frame)
            self._next_search = index + (CHECK_EVERY if self._faces else SEARCH_EVERY)
        return {number: face.landmarks for number, face in self._faces.items()}

    def _follow(self, index: int, frame: np.ndarray) -> None:
        for number, face in list(self._faces.items()):
            points = self._localizer.localize(frame, face.box)
            if is_smooth(face.landmarks, points) and not self._is_known(landmark_box(points), before=number):
                face.landmarks = points
            else:  # gone, or slipped onto a face that an older track follows
                del self._faces[number]
                self._next_search = index

    def _take_up_given(self, frame: np.ndarray) -> None:
        for box in self._given:
            self._faces[next(self._numbers)] = _Face(self._localizer.localize(frame, box))

    def _search(self, frame: np.ndarray) -> None:
        found = sorted(self._detector.detect(frame), key=prominence, reverse=True)
        before, self._unsure = self._unsure, [box[:4] for box in found if box[4] < UNSURE]
        for number, face in list(self._faces.items()):
            seen = any(iou(box[:4], face.box) >= SAME_FACE for box in found)
            face.unanswered = 0 if seen else face.unanswered + 1
            if face.unanswered > PATIENCE:
                del self._faces[number]
        for box in found:
            if self._largest and self._faces:
                return
            if self._is_known(box[:4]):
                continue
            if box[4] < UNSURE and not any(iou(box[:4], other) >= SAME_FACE for other in before):
                continue
            points = localize_twice(self._localizer, frame, box[:4])  # as later frames, which start from landmarks
            if iou(landmark_box(points), box[:4]) >= SAME_FACE:
                self._faces[next(self._numbers)] = _Face(points)

    def _is_known(self, box: Box, before: int | None = None) -> bool:
        older = (face for number, face in self._faces.items() if before is None or number < before)
        return any(iou(box, face.box) >= SAME_FACE for face in older)
