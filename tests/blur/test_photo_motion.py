from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.blur.photo_motion import MotionSettings, draw_path, motion_blur

STILL = MotionSettings(shift=0.0, turn=0.0, nod=0.0, talk=0.0)


@pytest.fixture(scope="module")
def face(rendered_face):
    image, points = rendered_face(1, 128)
    return image, points


def test_without_motion_nothing_changes(face):
    image, points = face
    np.testing.assert_allclose(motion_blur(image, points, 5, STILL), image, atol=1e-3)


def test_a_shifting_camera_is_a_straight_convolution():
    """Against the mean of shifted copies, by the path's own amounts: everything moves alike."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), np.uint8), (0, 0), 2.0)
    points = np.column_stack([rng.uniform(30, 66, 68), rng.uniform(30, 66, 68)])
    settings = MotionSettings(shift=0.1, turn=0.0, nod=0.0, talk=0.0, camera=1.0)
    side = np.ptp(points, axis=0).max()
    truth = np.zeros(image.shape)
    for x, y, *_ in draw_path(np.random.default_rng([0, 2, 9]), settings).amounts:
        matrix = np.array([[1, 0, x * side], [0, 1, y * side]])
        truth += cv2.warpAffine(image.astype(np.float32), matrix, (96, 96), borderMode=cv2.BORDER_REPLICATE)
    blurry = motion_blur(image, points, 9, settings)
    assert np.abs(blurry - truth / settings.frames).max() < 2.0  # 1/32 pixel of OpenCV's interpolation
    assert np.abs(blurry - image).mean() > 0.5


def test_a_moving_head_leaves_the_far_background_alone(face):
    image, points = face
    centre = (points.min(0) + points.max(0)) / 2
    small = (points - centre) * 0.4 + centre  # a face so small that the corners are far from it
    settings = MotionSettings(camera=0.0)
    blurry = motion_blur(image, small, 3, settings)
    corner = np.abs(blurry[:20, :20] - image[:20, :20])
    middle = np.abs(blurry[50:78, 50:78] - image[50:78, 50:78])
    assert corner.max() < 1e-3 < middle.mean()


def test_the_jaw_alone_moves_when_one_talks(face):
    image, points = face
    settings = MotionSettings(shift=0.0, turn=0.0, nod=0.0, talk=0.3)
    blurry = motion_blur(image, points, 11, settings)
    change = np.abs(blurry - image).mean(-1)
    eyes = points[36:48].mean(0).astype(int)
    mouth = points[57].astype(int)  # the lower lip
    around = lambda p: change[p[1] - 6 : p[1] + 7, p[0] - 6 : p[0] + 7]  # noqa: E731
    assert around(eyes).max() < 1e-3 < around(mouth).mean()


def test_the_middle_is_the_photo_and_paths_are_smooth():
    settings = MotionSettings()
    for seed in range(20):
        amounts = draw_path(np.random.default_rng(seed), settings).amounts
        assert amounts.shape == (15, 6) and not amounts[7].any()
        most = np.array([0.09, 0.09, np.deg2rad(5), 0.07, 0.07, 0.24])
        assert (np.abs(amounts) <= 1.6 * most + 1e-9).all()
        steps = np.abs(np.diff(amounts[:, 0]))
        assert steps.max() <= 0.09 * (1 + 2 * 0.6) / 7 + 1e-9  # the steepest a parabola of these bounds can be


def test_a_pair_is_a_function_of_its_seeds_and_strengths_differ(face):
    image, points = face
    one = motion_blur(image, points, 4, MotionSettings(), seed=1)
    np.testing.assert_array_equal(one, motion_blur(image, points, 4, MotionSettings(), seed=1))
    assert not np.array_equal(one, motion_blur(image, points, 4, MotionSettings(), seed=2))
    changes = [np.abs(motion_blur(image, points, seed, MotionSettings()) - image).mean() for seed in range(30)]
    assert max(changes) > 3 * min(changes)


@pytest.mark.parametrize("name, value", [("shift", -0.1), ("frames", 4), ("camera", 1.5)])
def test_impossible_settings_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        MotionSettings(**{name: value})
