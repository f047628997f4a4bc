from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from facedeblur.faces.refine import sharpness, smoothed


def nodding(frames: int, make_face) -> np.ndarray:
    """A face that accelerates, turns back and shakes at 2 Hz (25 frames a second)."""
    t = np.arange(frames)[:, None, None] / 25
    offset = np.concatenate([30 * np.sin(2 * np.pi * 2 * t), 40 * t**2], axis=2)
    return (make_face(100, 80) + offset).astype(np.float32)


def test_jitter_goes_and_motion_stays(make_face):
    truth = nodding(75, make_face)
    noisy = truth + np.random.default_rng(0).normal(0, 1.5, truth.shape).astype(np.float32)
    before, after = (np.abs(points - truth).mean() for points in (noisy, smoothed(noisy)))
    assert after < 0.7 * before
    lag = [np.abs(smoothed(truth)[5:-5] - truth[5 + k : 70 + k]).mean() for k in (-1, 0, 1)]
    assert lag[1] < 0.3 and lag[1] < 0.1 * min(lag[0], lag[2])


def test_what_is_too_short_stays_as_it_is(make_face):
    points = nodding(6, make_face)
    np.testing.assert_array_equal(smoothed(points), points)


@pytest.fixture
def portrait():
    return np.ascontiguousarray(astronaut()[0:240, 120:330])


def test_blur_lowers_sharpness(portrait, make_face):
    points = make_face(105, 115, 50)
    values = [sharpness(cv2.GaussianBlur(portrait, (0, 0), s) if s else portrait, points) for s in (0, 1, 2, 4)]
    assert all(b < 0.6 * a for a, b in zip(values, values[1:], strict=False))


def test_an_enlarged_face_is_no_sharper(portrait, make_face):
    small = cv2.resize(portrait, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    assert sharpness(small, make_face(31, 34, 15)) < 0.5 * sharpness(portrait, make_face(105, 115, 50))


def test_sharpness_of_a_face_that_leaves_the_picture(portrait, make_face):
    assert np.isfinite(sharpness(portrait, make_face(-20, 300, 50)))
