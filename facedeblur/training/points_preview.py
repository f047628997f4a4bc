"""The localiser's preview: validation faces with what it found, what is annotated, and both."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from facedeblur.data.photos.photos import AnnotatedFace
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.hourglass_localizer import HourglassLocalizer, localizer_crop
from facedeblur.report.preview import compose_grid
from facedeblur.training.stages.localizer import LocalizerStage

CELL = 256  # side of a face in the picture, whatever the network sees
FOUND, TRUTH = (40, 220, 60), (255, 60, 40)  # green, red


def draw_points(image: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """A copy of an RGB uint8 image with (n, 2) points as dots, to an eighth of a pixel."""
    image = np.ascontiguousarray(image).copy()
    for x, y in np.rint(8 * np.asarray(points, np.float64)).astype(int):
        cv2.circle(image, (int(x), int(y)), 12, colour, -1, cv2.LINE_AA, shift=3)
    return image


def point_grid(stage: LocalizerStage, faces: Sequence[AnnotatedFace], size: int) -> np.ndarray:
    """Rows of faces as the stage now localises them: columns `found`, `annotated`, `both`; RGB uint8."""
    with stage.evaluating():
        localizer = HourglassLocalizer(stage.networks, size, stage.device)
        points = localizer.localize_many([face.image for face in faces], [face.box for face in faces])
    columns: dict[str, list[np.ndarray]] = {"found": [], "annotated": [], "both": []}
    for face, found in zip(faces, points, strict=True):
        square = localizer_crop(face.box)
        image = resize(crop(face.image, square), CELL)
        found, truth = (points_to_crop(p, square, CELL) for p in (found, face.landmarks))
        columns["found"].append(draw_points(image, found, FOUND))
        columns["annotated"].append(draw_points(image, truth, TRUTH))
        columns["both"].append(draw_points(draw_points(image, truth, TRUTH), found, FOUND))
    return compose_grid(list(columns.items()))
