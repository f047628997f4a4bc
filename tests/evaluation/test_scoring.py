"""Scores of images against scikit-image, and the row they make."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facedeblur.evaluation.judging import FaceMeasurement
from facedeblur.evaluation.restoring import Restored
from facedeblur.evaluation.scoring import image_scores, score_row
from facedeblur.evaluation.testset import Case, TestPair

CASE = Case("A", "", "ann", "vla", "a.mp4", 12, 9)


def test_scores_are_scikit_images_in_pieces_of_any_number():
    rng = np.random.default_rng(0)
    sharp = [rng.integers(0, 256, (24, 24, 3), np.uint8) for _ in range(17)]
    made = [np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8) for image in sharp]
    made[16] = sharp[16]
    for found, a, b in zip(image_scores(made, sharp), made, sharp, strict=True):
        grey = [np.tensordot(image.astype(np.float64) / 255, [0.299, 0.587, 0.114], 1) for image in (a, b)]
        ssim = structural_similarity(*grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)
        psnr = 60.0 if a is b else peak_signal_noise_ratio(b, a)
        assert found == pytest.approx((psnr, ssim), abs=1e-6)


def test_a_face_that_is_not_found_is_flagged_beside_what_the_method_did():
    pair = TestPair(CASE, *np.zeros((2, 4, 4, 3), np.uint8), np.ones((68, 2), np.float32))
    restored = Restored(pair.blurry, 0.25, frozenset({"nan"}))
    row = score_row("ours", pair, restored, FaceMeasurement(None, float("inf"), None, None), (20.0, 0.5), None)
    assert row.flags == "no_face,nan" and row.landmarks is None and row.landmark_error == float("inf")
    assert (row.method, row.video, row.frame, row.L, row.psnr, row.seconds) == ("ours", "a.mp4", 12, 9, 20.0, 0.25)
    found = FaceMeasurement(pair.truth, 0.01, np.array([0.6, 0.8]), 0.9)
    row = score_row("ours", pair, Restored(pair.blurry, 0.25), found, (20.0, 0.5), "images/x.png")
    assert row.flags == "" and len(row.landmarks) == 136 and row.embedding == pytest.approx([0.6, 0.8])
