"""Following one face from frame to frame: localise from the last landmarks, and let the detector confirm now and then.

A localiser answers even where there is no face, so landmarks count only between frames in which the detector agrees.
"""

from __future__ import annotations

import numpy as np

from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.protocols import Box, Detector, Localizer

CHECK_EVERY = 10  # frames between two questions to the detector while a face is followed
SEARCH_EVERY = 5  # the same while there is none
PATIENCE = 3  # questions in a row that may go unanswered: heads turn, and the detector knows frontal faces only
SAME_FACE = 0.3  # least IoU of a detection with the landmarks' box
SMOOTH = 0.4  # least IoU of one face's boxes in successive frames: a step of 0.4 of its width
MAX_GROWTH = 1.33  # between successive frames


class FaceFollower:
    """Told every frame of a video in order, fills in the landmarks of one face at a time.

    In every shot, and again whenever it is lost, the largest face is taken, the former one preferred. At least one
    frame without a face separates two tracks in one shot.
    """

    def __init__(self, frames: int, detector: Detector, localizer: Localizer):
        self._detector = detector
        self._localizer = localizer
        self._landmarks = np.full((frames, 68, 2), np.nan, np.float32)
        self._face: np.ndarray | None = None  # landmarks in the last frame, None while there is no face
        self._former: Box | None = None  # where the last face of this shot was
        self._next_search = 0
        self._start = self._confirmed = 0  # frames in which the detector found this face, first and last
        self._end = 0  # one past the last frame of this track

    def update(self, index: int, frame: np.ndarray, cut: bool) -> None:
        """Process frame `index`; `cut` says that it starts a new shot."""
        if cut:
            self._drop(next_search=index)
            self._former = None
        if self._face is None:
            if index >= self._next_search:
                self._acquire(index, frame)
            return
        points = self._localizer.localize(frame, landmark_box(self._face))
        if not is_smooth(self._face, points):
            self._drop(next_search=index + 1)
            return
        self._accept(index, points)
        if (index - self._start) % CHECK_EVERY == 0:
            self._confirm(index, frame)

    def finish(self) -> np.ndarray:
        """End the last track; the landmarks of all frames, (F, 68, 2) float32 with NaN rows."""
        self._drop(next_search=len(self._landmarks))
        return self._landmarks

    def _acquire(self, index: int, frame: np.ndarray) -> None:
        self._next_search = index + SEARCH_EVERY
        found = self._detector.detect(frame)
        if not found:
            return
        former = [box for box in found if self._former and iou(box[:4], self._former) >= SAME_FACE]
        box = max(former or found, key=prominence)[:4]
        # Once more from the landmarks' own box: detections are quantised, and later frames start from landmarks.
        points = self._localizer.localize(frame, landmark_box(self._localizer.localize(frame, box)))
        if iou(landmark_box(points), box) >= SAME_FACE:
            self._start = self._confirmed = index
            self._accept(index, points)

    def _confirm(self, index: int, frame: np.ndarray) -> None:
        box = landmark_box(self._face)
        if any(iou(found[:4], box) >= SAME_FACE for found in self._detector.detect(frame)):
            self._confirmed = index
        elif index - self._confirmed >= PATIENCE * CHECK_EVERY:
            self._drop(next_search=index + 1)

    def _accept(self, index: int, points: np.ndarray) -> None:
        self._landmarks[index] = self._face = points
        self._end = index + 1

    def _drop(self, next_search: int) -> None:
        """End the track: what follows the last confirmation is doubtful once the detector has been asked in vain."""
        if self._face is not None:
            self._former = landmark_box(self._landmarks[self._confirmed])
            asked_in_vain = self._end - 1 - self._confirmed >= CHECK_EVERY
            if asked_in_vain:
                never_seen_again = self._confirmed == self._start
                doubtful = self._start if never_seen_again else self._confirmed + 1
                self._landmarks[doubtful : self._end] = np.nan
        self._face = None
        self._next_search = next_search


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (_area(a) + _area(b) - common)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def prominence(found: tuple[float, float, float, float, float]) -> float:
    """Area, discounted where the detector itself is in doubt."""
    return _area(found[:4]) * max(found[4], 0.05)


def is_smooth(last: np.ndarray, now: np.ndarray) -> bool:
    """Whether a face can have moved from landmarks `last` to `now` within one frame."""
    before, after = landmark_box(last), landmark_box(now)
    growth = (after[2] - after[0]) / (before[2] - before[0])
    return 1 / MAX_GROWTH <= growth <= MAX_GROWTH and iou(before, after) >= SMOOTH
