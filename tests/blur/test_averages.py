import numpy as np
import pytest

from facedeblur.blur.averages import average
from facedeblur.blur.response import Response


@pytest.fixture
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (9, 12, 10, 3), dtype=np.uint8))


def test_identity_is_the_arithmetic_mean(frames):
    mean = average(iter(frames))
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, np.mean(np.stack(frames).astype(np.float64), axis=0), rtol=1e-6)


def test_gamma_averages_light(frames):
    light = np.mean((np.stack(frames) / 255.0) ** 2.2, axis=0)
    np.testing.assert_allclose(average(frames, Response(2.2)), 255 * light ** (1 / 2.2), rtol=1e-4)


@pytest.mark.parametrize("curve", [Response(1.0), Response(2.2)])
def test_a_still_video_is_not_changed(frames, curve):
    np.testing.assert_allclose(average([frames[0]] * 21, curve), frames[0], atol=1e-3)


def test_the_order_of_frames_does_not_matter(frames):
    np.testing.assert_array_equal(average(frames), average(frames[::-1]))


def test_views_and_grey_images_are_averaged(frames):
    grey = [frame[2:9, 1:8, 0] for frame in frames]
    np.testing.assert_allclose(average(grey), np.mean(grey, axis=0), rtol=1e-6)


def test_no_frame_is_an_error():
    with pytest.raises(ValueError, match="no frame"):
        average([])
