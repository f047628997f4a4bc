"""The faces of the photos of an album: hand-made landmarks where a .pts file lies beside, else detected ones."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from facedeblur.faces.dlib_models import localize_twice
from facedeblur.faces.protocols import Detector, Localizer
from facedeblur.faces.pts import PtsError, read_pts
from facedeblur.faces.refine import sharpness
from facedeblur.faces.track import FaceTrack
from facedeblur.video.album import AlbumSource, is_missing

log = logging.getLogger(__name__)


def album_track(source: AlbumSource, models: Callable[[], tuple[Detector, Localizer]]) -> FaceTrack:
    """One frame, and one shot, per photo: its largest face and how sharp that is; NaN where there is no face or photo.

    Photos and .pts files that cannot be read are logged by name and left out. `models` is called for the first photo
    without a .pts file.
    """
    photos = len(source.stills)
    landmarks, values = np.full((photos, 68, 2), np.nan, np.float32), np.full(photos, np.nan, np.float32)
    for index, (still, photo) in enumerate(zip(source.stills, source.frames(), strict=True)):
        if is_missing(photo):
            log.warning(f"skipped {still.image}: cannot be decoded")
            continue
        points = _annotated(still.points) if still.points else _detected(photo, *models())
        if points is not None and _is_inside(points, photo):
            landmarks[index] = points
            values[index] = sharpness(photo, points)
    return FaceTrack(landmarks, tuple(range(1, photos)), values)


def _annotated(path: str) -> np.ndarray | None:
    try:
        return read_pts(path)
    except PtsError as error:
        log.warning(f"skipped {error}")
        return None


def _detected(photo: np.ndarray, detector: Detector, localizer: Localizer) -> np.ndarray | None:
    """Of the largest face."""
    faces = detector.detect(photo)
    if not faces:
        return None
    largest = max(faces, key=lambda face: (face[2] - face[0]) * (face[3] - face[1]))
    return localize_twice(localizer, photo, largest[:4])


def _is_inside(points: np.ndarray, photo: np.ndarray) -> bool:
    """Whether the middle of the face is in the photo."""
    x, y = (points.min(axis=0) + points.max(axis=0)) / 2
    return 0 <= x < photo.shape[1] and 0 <= y < photo.shape[0]
