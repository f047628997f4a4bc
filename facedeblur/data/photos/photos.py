"""Annotated photos in memory: the faces that a localiser learns from, a few hundred to some ten thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from facedeblur.data.corpora import Clip
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.hourglass_localizer import MARGIN, localizer_crop
from facedeblur.faces.protocols import Box
from facedeblur.faces.pts import PtsError, read_pts
from facedeblur.video.album import Still, read_album

# What is kept of a photo: room around the localiser's crop for shifts, scales and turns, and some more pixels than the
# crop will have, so that enlarging a part of it loses little.
ROOM = 1.4
SHARPNESS = 1.2


@dataclass(frozen=True)
class AnnotatedFace:
    """One annotated face. Pixels are those of `image`, a square RGB uint8 (side, side, 3) part of the photo.

    Attributes:
        landmarks: (68, 2) float32.
        still: the photo it is from.
    """

    image: np.ndarray
    landmarks: np.ndarray
    still: Still

    @property
    def box(self) -> Box:
        """The box that a detector gives such a face."""
        return landmark_box(self.landmarks)


@dataclass
class Faces:
    """The faces of one split; `skipped` names the photos that gave none, and why."""

    items: list[AnnotatedFace] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def read_faces(clips: Iterable[Clip], size: int, progress: Callable[[int, int, str], None] | None = None) -> Faces:
    """Every photo with landmarks in these albums, cut out with room to move the crop in.

    Args:
        size: side in pixels of the localiser's crop.
        progress: called with (done, total, file).
    """
    stills = [still for clip in clips for still in read_album(clip.path)]
    faces = Faces()
    for done, still in enumerate(stills, 1):
        found = _read(still, size)
        if isinstance(found, AnnotatedFace):
            faces.items.append(found)
        else:
            faces.skipped.append((still.image, found))
        if progress is not None:
            progress(done, len(stills), still.image)
    return faces


def _read(still: Still, size: int) -> AnnotatedFace | str:
    """The face of a photo, or why there is none."""
    if still.points is None:
        return "no .pts file beside it"
    try:
        landmarks = read_pts(still.points)
    except PtsError as error:
        return str(error)
    image = still.load()
    if image is None:
        return "cannot be decoded"
    height, width = image.shape[:2]
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    if (high < 0).any() or (low > (width - 1, height - 1)).any() or (high - low).min() < 2:
        return "its landmarks are no face inside the photo"
    return cut_out(image, landmarks, still, size)


def cut_out(image: np.ndarray, landmarks: np.ndarray, still: Still, size: int) -> AnnotatedFace:
    """The face with these landmarks, with ROOM around the localiser's crop, at SHARPNESS times its resolution."""
    square = localizer_crop(landmark_box(landmarks), ROOM * MARGIN)
    side = min(square.side, round(ROOM * SHARPNESS * size))
    face = np.ascontiguousarray(resize(crop(image, square), side))
    return AnnotatedFace(face, points_to_crop(landmarks, square, side).astype(np.float32), still)
