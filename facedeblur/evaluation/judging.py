"""What the judges make of one window: landmarks and embedding of every method's image, and the scores they give.

Judging is bound by the CPU (0.1 to 0.2 s an image), so windows go to worker processes; with dlib's judges they need no
torch. Judges see the crop resized to `settings.size`, and search it once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.evaluation.settings import JudgeSettings
from facedeblur.faces import judges
from facedeblur.faces.crop import CropBox, points_from_crop, resize
from facedeblur.faces.dlib_models import landmark_box
from facedeblur.metrics.identity import cosine
from facedeblur.metrics.landmarks import normalised_error
from facedeblur.processes import SPAWN, be_a_child

PROCESS_DIED = "a judging process died (out of memory?); the same command goes on where it stopped, try jobs=1"


@dataclass(frozen=True, eq=False)
class EvalItem:
    """One window: the sharp image, its landmarks (None: unknown), and each method's image (None: nothing to look at).

    Images are RGB uint8 (S, S, 3); landmarks (68, 2) in their pixels.
    """

    sharp: np.ndarray
    truth: np.ndarray | None
    images: Sequence[np.ndarray | None]


@dataclass(frozen=True, eq=False)
class FaceMeasurement:
    """Of one image: `landmarks` (68, 2) in its pixels, None where no face was found; `error` +inf then, None without
    truth; `embedding` (D,) and `cosine` to the sharp face, None where there is none."""

    landmarks: np.ndarray | None
    error: float | None
    embedding: np.ndarray | None
    cosine: float | None


def judge(item: EvalItem, settings: JudgeSettings) -> list[FaceMeasurement]:
    """The measurement of every image of a window; the sharp face's embedding is computed once."""
    size = item.sharp.shape[0]
    truth = None if item.truth is None else _scaled(item.truth, size, settings.size)
    embedder = judges.embedder(settings.embedder)
    known: dict[tuple[bytes, bytes], np.ndarray] = {}

    def embed(image: np.ndarray, points: np.ndarray | None) -> np.ndarray | None:
        if embedder is None or points is None:
            return None
        key = image.tobytes(), points.tobytes()
        if key not in known:
            known[key] = embedder.embed(image, points)
        return known[key]

    reference = embed(resize(item.sharp, settings.size), truth)
    measurements = []
    for image in item.images:
        if image is None:
            measurements.append(FaceMeasurement(None, None if truth is None else float("inf"), None, None))
            continue
        seen = resize(image, settings.size)
        points = locate(seen, truth, settings)
        error = None
        if truth is not None:
            error = float("inf") if points is None else float(normalised_error(points, truth))
        embedding = embed(seen, truth if settings.align == "truth" else points)
        similarity = None
        if embedding is not None and reference is not None:
            similarity = float(cosine(embedding, reference))
        landmarks = None if points is None else _scaled(points, settings.size, size)
        measurements.append(FaceMeasurement(landmarks, error, embedding, similarity))
    return measurements


def locate(image: np.ndarray, truth: np.ndarray | None, settings: JudgeSettings) -> np.ndarray | None:
    """The judge's landmarks on an image, (68, 2) in its pixels; None where it finds no face.

    Of several faces the one of the best detection score counts, wherever it is.
    """
    if settings.box == "truth":
        box = None if truth is None else landmark_box(truth)
    else:
        found = judges.detector().detect(image)
        box = found[0][:4] if found else None
    return None if box is None else judges.localizer(settings.localizer).localize(image, box)


def _scaled(points: np.ndarray, size: int, wanted: int) -> np.ndarray:
    """Landmarks of a square image of one size in pixels of another, as `resize` moves pixel centres."""
    return points_from_crop(np.asarray(points, np.float64), CropBox(0, 0, wanted), size).astype(np.float32)


def _prepare(settings: JudgeSettings) -> None:
    """In a worker process, once: one thread, its models loaded, and an end when the main process ends."""
    be_a_child()
    cv2.setNumThreads(1)
    load_judges(settings)
    if "torch" in sys.modules:  # for a judge that is a network
        sys.modules["torch"].set_num_threads(1)


def load_judges(settings: JudgeSettings) -> None:
    """Makes the judges, once per process. Raises UsageError where one cannot be made here, naming what is missing."""
    if settings.box == "detect":
        judges.detector()
    judges.localizer(settings.localizer)
    judges.embedder(settings.embedder)


class JudgePool:
    """Judges windows in `jobs` processes, or in this one where `jobs` is 0. Use as a context manager.

    Raises:
        UsageError: a judge cannot be made here: its package or file is missing.
    """

    def __init__(self, settings: JudgeSettings, jobs: int) -> None:
        self.settings, self.jobs = settings, jobs
        load_judges(settings)
        self._pool = None
        if jobs:
            self._pool = ProcessPoolExecutor(jobs, SPAWN, _prepare, (settings,))

    def warm_up(self) -> None:
        """Returns when every process has loaded its models."""
        if self._pool is not None:
            wait([self._pool.submit(time.sleep, 1.0) for _ in range(self.jobs)])

    def run(self, work: Callable[[Any], Any], argument: Any) -> Future:
        """Calls another function in one of the judging processes."""
        return self._pool.submit(work, argument)

    def submit(self, items: Sequence[EvalItem]) -> list[Future | EvalItem]:
        """Starts judging; `results` gives the answers."""
        if self._pool is None:
            return list(items)
        return [self._pool.submit(judge, item, self.settings) for item in items]

    @staticmethod
    def ready(submitted: Sequence[Future | EvalItem]) -> int:
        """How many of what was submitted are judged already, in whatever order."""
        return sum(item.done() for item in submitted if isinstance(item, Future))

    def results(self, submitted: Sequence[Future | EvalItem]) -> Iterator[list[FaceMeasurement]]:
        """The measurements of what was submitted, in order, as they come."""
        for item in submitted:
            try:
                yield item.result() if isinstance(item, Future) else judge(item, self.settings)
            except BrokenProcessPool as error:
                raise UsageError(PROCESS_DIED) from error

    def __enter__(self) -> JudgePool:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
