"""Folders of images that any program made, scored against a folder of sharp ones.

Images are partners by their path inside their folder, whatever the suffix. PSNR and SSIM compare whole images; the
evaluators see the face, cut out by the one crop rule, or the whole image where that is such a crop already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.evaluation.judging import EvalItem, FaceMeasurement, JudgePool
from facedeblur.evaluation.rows import ScoreRow, flat, joined
from facedeblur.evaluation.scoring import image_scores
from facedeblur.evaluation.settings import JudgeSettings
from facedeblur.faces import judges
from facedeblur.faces.crop import CropBox, crop, crop_box, points_from_crop, points_to_crop
from facedeblur.faces.pts import read_pts
from facedeblur.images import IMAGE_SUFFIXES, named_images
from facedeblur.metrics.image import SSIM_WINDOW
from facedeblur.progress import StepProgress
from facedeblur.video.album import Still

CHUNK = 64  # images in memory at a time
CROPPED = 0.85  # an image is a crop already when the crop rule would take so much of its side, or more
BLUR = "given"  # what the column blur says: it is not known


@dataclass(frozen=True, eq=False)
class _Face:
    """Where the judges look in one image: the box, and the true landmarks (68, 2) in pixels of the image."""

    box: CropBox
    truth: np.ndarray


def score(folders: dict[str, Path], sharp: Path, settings: JudgeSettings, jobs: int = 0) -> list[ScoreRow]:
    """One row per method and sharp image (see `rows`); an image that a folder lacks counts as black, flagged "error".

    Raises:
        UsageError: a folder that is missing or holds no image, and where no image of a folder has a partner.
    """
    truths = images_in(sharp)
    found = {name: images_in(folder) for name, folder in folders.items()}
    for name, images in found.items():
        if not set(images) & set(truths):
            raise UsageError(f"{folders[name]}: no image has a partner in {sharp}; partners have the same name")
        for lacking in sorted(set(images) - set(truths))[:3]:
            print(f"{folders[name]}: {lacking} has no partner in {sharp} and is not scored", file=sys.stderr)
    names, rows = sorted(truths), []
    progress = StepProgress(f"scoring {', '.join(folders)}")
    with JudgePool(settings, jobs) as pool:
        for first in range(0, len(names), CHUNK):
            chunk = names[first : first + CHUNK]
            loaded = [_load(name, truths, found, settings) for name in chunk]
            submitted = pool.submit([item for *_, item in loaded if item is not None])
            answers = pool.results(submitted)
            for i, (name, face, sharp_image, images, item) in enumerate(loaded):
                measurements = [None] * len(folders) if item is None else next(answers)
                rows += _rows(name, face, sharp_image, images, measurements, sharp.resolve().name)
                progress(first + i + 1, len(names), name)
    return rows


def images_in(folder: Path) -> dict[str, Path]:
    """Path inside the folder, without suffix -> image file. Raises UsageError for none, and two of one name."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = named_images(folder)
    if not found:
        raise UsageError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
    return found


def _load(name: str, truths: dict[str, Path], found: dict[str, dict[str, Path]], settings: JudgeSettings) -> tuple:
    """(name, face, sharp image, {method: (image, flags)}, item to the judges or None)."""
    sharp = Still(str(truths[name])).load()
    if sharp is None:
        raise UsageError(f"{truths[name]}: not a readable image")
    if min(sharp.shape[:2]) < SSIM_WINDOW:
        raise UsageError(f"{truths[name]}: SSIM needs sides of at least {SSIM_WINDOW} pixels")
    images = {method: _partner(files.get(name), sharp) for method, files in found.items()}
    face = _find_face(truths[name], sharp, settings)
    if face is None:
        return name, None, sharp, images, None
    truth = points_to_crop(face.truth, face.box, face.box.side)
    seen = [None if "error" in flags else _cut(image, face.box) for image, flags in images.values()]
    return name, face, sharp, images, EvalItem(_cut(sharp, face.box), truth, seen)


def _partner(file: Path | None, sharp: np.ndarray) -> tuple[np.ndarray, set[str]]:
    """A restored image at the size of the sharp one, with flags; black where there is none."""
    image = None if file is None else Still(str(file)).load()
    if image is None:
        return np.zeros_like(sharp), {"error"}
    if image.shape != sharp.shape:
        smaller = image.shape[0] > sharp.shape[0]
        method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return cv2.resize(image, sharp.shape[1::-1], interpolation=method), {"size_mismatch"}
    return image, set()


def _find_face(file: Path, sharp: np.ndarray, settings: JudgeSettings) -> _Face | None:
    points = file.with_suffix(".pts")
    if points.is_file():
        truth = read_pts(points)
    else:
        found = judges.detector().detect(sharp)
        if not found:
            return None
        truth = judges.localizer(settings.truth).localize(sharp, found[0][:4])
    box = crop_box(truth)
    height, width = sharp.shape[:2]
    if height == width and box.side >= CROPPED * width:
        box = CropBox(0, 0, width)
    return _Face(box, np.asarray(truth, np.float32))


def _cut(image: np.ndarray, box: CropBox) -> np.ndarray:
    return np.ascontiguousarray(crop(image, box))


def _rows(
    name: str,
    face: _Face | None,
    sharp: np.ndarray,
    images: dict[str, tuple[np.ndarray, set[str]]],
    measurements: Sequence[FaceMeasurement | None],
    corpus: str,
) -> Iterator[ScoreRow]:
    for (method, (image, flags)), judged in zip(images.items(), measurements, strict=True):
        psnr, ssim = image_scores([image], [sharp])[0]
        flags = set(flags)
        landmarks = None
        if judged is None:
            flags.add("no_truth")
        elif judged.landmarks is None:
            flags.add("no_face")
        else:
            landmarks = points_from_crop(judged.landmarks, face.box, face.box.side)
        parts = Path(name).parts
        yield ScoreRow(
            method=method,
            corpus=corpus,
            identity=parts[0] if len(parts) > 1 else "",
            blur=BLUR,
            video=name,
            psnr=psnr,
            ssim=ssim,
            landmark_error=None if judged is None else judged.error,
            identity_cosine=None if judged is None else judged.cosine,
            flags=joined(flags),
            landmarks=flat(landmarks),
            truth=None if face is None else flat(face.truth),
            embedding=None if judged is None else flat(judged.embedding),
        )
