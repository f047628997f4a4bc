"""The numbers of a restored image, and the row they make with what its evaluators measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from facedeblur.evaluation.judging import FaceMeasurement
from facedeblur.evaluation.own_metrics import as_batch
from facedeblur.evaluation.restoring import Restored
from facedeblur.evaluation.rows import ScoreRow, flat, joined
from facedeblur.evaluation.testset import TestPair
from facedeblur.metrics.image import psnr, ssim


def image_scores(restored: Sequence[np.ndarray], sharp: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """(PSNR, SSIM) of every image, RGB uint8 (H, W, 3), in pieces: both work in float64."""
    scores: list[tuple[float, float]] = []
    for first in range(0, len(sharp), 16):
        images, references = as_batch(restored[first : first + 16]), as_batch(sharp[first : first + 16])
        scores += zip(psnr(images, references).tolist(), ssim(images, references).tolist(), strict=True)
    return scores


def score_row(
    method: str,
    pair: TestPair,
    restored: Restored,
    judged: FaceMeasurement,
    score: tuple[float, float],
    image: str | None,
) -> ScoreRow:
    flags = set(restored.flags)
    if judged.landmarks is None:
        flags.add("no_face")
    return ScoreRow(
        method=method,
        **asdict(pair.case),
        psnr=score[0],
        ssim=score[1],
        landmark_error=judged.error,
        identity_cosine=judged.cosine,
        seconds=restored.seconds,
        flags=joined(flags),
        landmarks=flat(judged.landmarks),
        truth=flat(pair.truth),
        embedding=flat(judged.embedding),
        image=image,
    )
