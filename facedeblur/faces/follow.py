"""Following faces from frame to frame: localise from the last landmarks, and let the detector confirm now and then.

A localiser answers even where there is no face, so landmarks count only between frames in which the detector agrees.
What comes out is a list of pieces, each of one face without a gap; `people` says which of them are of one person.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facedeblur.faces.crop import crop, crop_box
from facedeblur.faces.dlib_models import landmark_box, localize_twice
from facedeblur.faces.protocols import Box, Detector, Localizer
from facedeblur.faces.refine import sharpness

CHECK_EVERY = 10  # frames between two questions to the detector while a face is followed
SEARCH_EVERY = 5  # the same while there is none
PATIENCE = 3  # questions in a row that may go unanswered: heads turn, and the detector knows frontal faces only
SAME_FACE = 0.3  # least IoU of a detection with the landmarks' box
SMOOTH = 0.4  # least IoU of one face's boxes in successive frames: a step of 0.4 of its width
MAX_GROWTH = 1.33  # between successive frames
SMALLEST = 32.0  # pixels: side of the smallest face worth following
SAMPLES = 3  # portraits kept of each piece, to tell who it is


@dataclass
class Piece:
    """One face through successive frames of one shot.

    Attributes:
        start: index of its first frame.
        landmarks: (n, 68, 2) float32 pixels of frames start ... start + n - 1.
        sharpness: (n,) float32, see `refine.sharpness`.
        shot: number of the shot.
        samples: (score, image around the face, its landmarks in that image), those the detector was surest of.
    """

    start: int
    landmarks: np.ndarray
    sharpness: np.ndarray
    shot: int
    samples: list[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=list)

    @property
    def stop(self) -> int:
        """One past the last frame."""
        return self.start + len(self.landmarks)

    @property
    def weight(self) -> float:
        """Sum over its frames of the face's area in pixels."""
        return float(np.prod(np.ptp(self.landmarks, axis=1), axis=-1).sum())


class _Face:
    """A piece that is still growing."""

    def __init__(self, start: int, shot: int) -> None:
        self.start, self.shot = start, shot
        self.points: list[np.ndarray] = []
        self.sharpness: list[float] = []
        self.confirmed = start  # the last frame in which the detector found it
        self.in_vain = False  # the detector has been asked since, and did not find it
        self.samples: list[tuple[float, np.ndarray, np.ndarray]] = []

    @property
    def box(self) -> Box:
        return landmark_box(self.points[-1])

    def add(self, frame: np.ndarray, points: np.ndarray) -> None:
        self.points.append(points)
        self.sharpness.append(sharpness(frame, points))

    def confirm(self, index: int, frame: np.ndarray, score: float) -> None:
        self.confirmed, self.in_vain = index, False
        if len(self.samples) < SAMPLES or score > self.samples[-1][0]:
            box = crop_box(self.points[-1])
            image = crop(frame, box).copy()
            self.samples.append((score, image, self.points[-1] - np.array([box.x, box.y], np.float32)))
            self.samples = sorted(self.samples, key=lambda sample: -sample[0])[:SAMPLES]

    def piece(self) -> Piece | None:
        """What is certain of it: nothing after the last confirmation once the detector has been asked in vain."""
        count = len(self.points)
        if self.in_vain:
            count = self.confirmed + 1 - self.start if self.confirmed > self.start else 0
        if not count:
            return None
        sharp = np.array(self.sharpness[:count], np.float32)
        return Piece(self.start, np.stack(self.points[:count]), sharp, self.shot, self.samples)


class FaceFollower:
    """Told every frame of a video in order, follows all its faces.

    Where two faces come to lie over one another both pieces end, since the localiser may slip from one to the other;
    what is seen afterwards begins new ones.
    """

    def __init__(self, detector: Detector, localizer: Localizer) -> None:
        self._detector = detector
        self._localizer = localizer
        self._faces: list[_Face] = []
        self._pieces: list[Piece] = []
        self._shot = 0
        self._next_search = 0

    def update(self, index: int, frame: np.ndarray, cut: bool = False) -> None:
        """Process frame `index`, RGB uint8 (H, W, 3); `cut` says that it starts a new shot."""
        if cut:
            self._end(self._faces, next_search=index)
            self._next_search = index
            self._shot += 1
        self._follow(index, frame)
        if index >= self._next_search:
            self._search(index, frame)
            self._next_search = index + (CHECK_EVERY if self._faces else SEARCH_EVERY)

    def finish(self) -> list[Piece]:
        """End what is still followed; all pieces, ordered by their first frames."""
        self._end(self._faces, next_search=0)
        return sorted(self._pieces, key=lambda piece: piece.start)

    def _follow(self, index: int, frame: np.ndarray) -> None:
        lost = []
        for face in self._faces:
            points = self._localizer.localize(frame, face.box)
            if is_smooth(face.points[-1], points):
                face.add(frame, points)
            else:
                lost.append(face)
        self._end(lost, next_search=index + 1)
        boxes = [face.box for face in self._faces]
        merged = {
            i for i, box in enumerate(boxes) for j, other in enumerate(boxes) if i != j and iou(box, other) >= SAME_FACE
        }
        for i in merged:
            self._faces[i].points.pop()
        self._end([self._faces[i] for i in merged], next_search=index + 1)

    def _search(self, index: int, frame: np.ndarray) -> None:
        found = sorted(self._detector.detect(frame), key=prominence, reverse=True)
        for face in list(self._faces):
            own = max((box for box in found if iou(box[:4], face.box) >= SAME_FACE), key=_score, default=None)
            if own is not None:
                face.confirm(index, frame, own[4])
                continue
            face.in_vain = True
            if index - face.confirmed >= PATIENCE * CHECK_EVERY:
                self._end([face], next_search=index + 1)
        for box in found:
            if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST and not self._is_followed(box[:4]):
                self._take_up(index, frame, box)

    def _is_followed(self, box: Box) -> bool:
        return any(iou(box, face.box) >= SAME_FACE for face in self._faces)

    def _take_up(self, index: int, frame: np.ndarray, box: tuple[float, float, float, float, float]) -> None:
        points = localize_twice(self._localizer, frame, box[:4])  # as later frames, which start from landmarks
        own = landmark_box(points)
        if iou(own, box[:4]) >= SAME_FACE and not self._is_followed(own):
            face = _Face(index, self._shot)
            face.add(frame, points)
            face.confirm(index, frame, box[4])
            self._faces.append(face)

    def _end(self, faces: list[_Face], next_search: int) -> None:
        if faces:
            self._next_search = next_search
        ended = list(faces)
        self._faces = [face for face in self._faces if face not in ended]
        self._pieces += [piece for piece in (face.piece() for face in ended) if piece is not None]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (_area(a) + _area(b) - common)


def prominence(found: tuple[float, float, float, float, float]) -> float:
    """Area of a detection, discounted where the detector itself is in doubt."""
    return _area(found[:4]) * max(found[4], 0.05)


def is_smooth(last: np.ndarray, now: np.ndarray) -> bool:
    """Whether a face can have moved from landmarks `last` to `now` within one frame."""
    before, after = landmark_box(last), landmark_box(now)
    growth = (after[2] - after[0]) / (before[2] - before[0])
    return 1 / MAX_GROWTH <= growth <= MAX_GROWTH and iou(before, after) >= SMOOTH


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _score(found: tuple[float, float, float, float, float]) -> float:
    return found[4]
