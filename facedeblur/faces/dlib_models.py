"""dlib's HOG detector, 68-point localiser and 128-D identity embedder: offline, from the extra `faces`.

The model files ship in the package face_recognition_models. It is never imported, since that needs pkg_resources, which
current setuptools no longer has; its folder is all that is wanted.

dlib releases the interpreter's lock while it computes, and its objects hold buffers of the picture they are at. So that
the classes here may be used from several threads, there are as many detectors, which take most of the time, as threads
ask at once, and the others are used by one thread at a time.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.extras import remedy
from facedeblur.faces.protocols import Box, Localizer

REMEDY = remedy("faces")

# The detector knows faces from 80 pixels on. Small images are enlarged for it (at 128 px it misses a tenth of sharp
# faces otherwise), large ones reduced, since its time grows with their area.
SMALL = 320
LARGE = 640


class FacesExtraError(UsageError, ImportError):
    """dlib or its models are not installed."""


def has_dlib() -> bool:
    """Whether the extra `faces` is installed."""
    return all(importlib.util.find_spec(name) for name in ("dlib", "face_recognition_models"))


@cache
def _dlib() -> ModuleType:
    try:
        import dlib
    except ImportError as error:
        raise FacesExtraError(f"dlib cannot be imported ({error}): {REMEDY}") from error
    return dlib


def _model(name: str) -> str:
    spec = importlib.util.find_spec("face_recognition_models")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        file = Path(folder) / "models" / name
        if file.is_file():
            return str(file)
    raise FacesExtraError(f"the model {name} is not installed: {REMEDY}")


def _check(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: must be RGB uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)


class Lent:
    """`with lent.one() as own`: what `make` returns, made anew only while all that were made are in use.

    Threads come and go, one or more a video: an object each would be made again and again, which takes dlib's detector
    0.4 seconds.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._free = [make()]  # what is wrong with it is said at once

    @contextmanager
    def one(self) -> Iterator[Any]:
        try:
            own = self._free.pop()
        except IndexError:
            own = self._make()
        try:
            yield own
        finally:
            self._free.append(own)


class DlibDetector:
    """Frontal faces by HOG. An image without a sure one is searched once more at twice the size, if `retry`.

    Args:
        min_score: detections below it are dropped; 0 is dlib's own threshold, sharp frontal faces score 1 to 2.
        longest: images whose longer side has more pixels are reduced to it; smaller faces need a larger one.
        retry: search once more where nothing was found with a score of at least 0.
    """

    def __init__(self, min_score: float = 0.0, longest: int = LARGE, retry: bool = True):
        self._min_score, self._longest, self._retry = min_score, longest, retry
        self._detectors = Lent(_dlib().get_frontal_face_detector)

    def detect(self, image: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        """See `Detector`: boxes (x0, y0, x1, y1, score) in pixels of `image`, best score first."""
        image = _check(image)
        longer = max(image.shape[:2])
        scale = 2.0 if longer <= SMALL else min(1.0, self._longest / longer)
        found = self._search(image, scale)
        if not self._retry or any(box[4] >= 0 for box in found):
            return found
        return sorted(found + self._search(image, 2 * scale), key=lambda box: -box[4])

    def _search(self, image: np.ndarray, scale: float) -> list[tuple[float, float, float, float, float]]:
        height, width = image.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size != (width, height):
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        with self._detectors.one() as detector:
            boxes, scores, _ = detector.run(image, 0, self._min_score)
        found = [
            (box.left() / scale, box.top() / scale, (box.right() + 1) / scale, (box.bottom() + 1) / scale, score)
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(found, key=lambda box: -box[4])


class DlibLocalizer:
    """The ensemble of regression trees trained on 300-W: 68 points in about a millisecond."""

    def __init__(self) -> None:
        self._predictor = _dlib().shape_predictor(_model("shape_predictor_68_face_landmarks.dat"))
        self._lock = threading.Lock()

    def localize(self, image: np.ndarray, box: Box) -> np.ndarray:
        """See `Localizer`: (68, 2) float32 pixels. Always answers; whether there is a face is the caller's question."""
        with self._lock:
            shape = self._predictor(_check(image), _rectangle(box))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


class DlibEmbedder:
    """ResNet embedding: the same person below a Euclidean distance of about 0.6. About 0.1 s a face."""

    def __init__(self) -> None:
        self._network = _dlib().face_recognition_model_v1(_model("dlib_face_recognition_resnet_model_v1.dat"))
        self._lock = threading.Lock()

    def embed(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See `Embedder`: (128,) float32."""
        dlib = _dlib()
        landmarks = np.asarray(landmarks)
        corners = (*landmarks.min(axis=0), *landmarks.max(axis=0))
        points = [dlib.point(round(x), round(y)) for x, y in landmarks.tolist()]
        shape = dlib.full_object_detection(_rectangle(corners), points)
        with self._lock:
            return np.array(self._network.compute_face_descriptor(_check(image), shape), np.float32)


def _rectangle(box: Box) -> Any:
    x0, y0, x1, y1 = box
    return _dlib().rectangle(round(float(x0)), round(float(y0)), round(float(x1)) - 1, round(float(y1)) - 1)


def landmark_box(landmarks: np.ndarray) -> Box:
    """The box that dlib's detector would give a face with these (68, 2) landmarks.

    A square on the points' mean and RMS radius, which hardly feel expression and in-plane rotation; the constants are
    medians over detected faces.
    """
    points = np.asarray(landmarks, np.float64)
    centre = points.mean(axis=0)
    radius = float(np.sqrt(((points - centre) ** 2).sum(axis=1).mean()))
    x, y = centre - (0.03 * radius, 0.125 * radius)
    half = 1.4 * radius
    return float(x - half), float(y - half), float(x + half), float(y + half)


def localize_twice(localizer: Localizer, image: np.ndarray, box: Box) -> np.ndarray:
    """Landmarks of a detected face, found once more from the landmarks' own box: detections are quantised."""
    return localizer.localize(image, landmark_box(localizer.localize(image, box)))
