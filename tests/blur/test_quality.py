import numpy as np
import pytest
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facedeblur.blur.averages import average
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.quality import (
    MEASURE_SIZE,
    WindowQuality,
    average_quality,
    kernel_quality,
    psnr,
    quantised,
    ssim,
)
from facedeblur.blur.response import Response, identity
from facedeblur.faces.crop import CropBox, crop, resize


@pytest.fixture(scope="module")
def video():
    """Luminance frames (11, 150, 170) of a picture that slides under the camera."""
    grey = astronaut().mean(-1).astype(np.uint8)
    return [np.ascontiguousarray(grey[40 + i : 190 + i, 120 + 2 * i : 290 + 2 * i]) for i in range(11)]


def boxes(index):
    return CropBox(30 + index, 20, 100)


def reference_ssim(a, b):
    return structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)


@pytest.mark.parametrize("shape", [(256, 256), (64, 80), (11, 11)])
def test_ssim_is_that_of_skimage(shape):
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, shape, dtype=np.uint8)
    for strength in (0.0, 0.2, 1.0):
        b = quantised((1 - strength) * a + strength * rng.integers(0, 256, shape))
        assert ssim(a, b) == pytest.approx(reference_ssim(a, b), abs=2e-5)


def test_ssim_of_natural_images_and_its_symmetry(video):
    assert ssim(video[0], video[3]) == pytest.approx(reference_ssim(video[0], video[3]), abs=2e-5)
    assert ssim(video[3], video[0]) == pytest.approx(ssim(video[0], video[3]), abs=1e-6)
    assert ssim(video[0], video[0]) == pytest.approx(1.0, abs=1e-6)


def test_a_reused_workspace_changes_nothing(video):
    workspace = np.full((8, *video[0].shape), np.nan, np.float32)
    for other in video[1:4]:
        assert ssim(video[0], other, workspace) == ssim(video[0], other)


def test_psnr_is_that_of_skimage_and_capped(video):
    assert psnr(video[0], video[1]) == pytest.approx(peak_signal_noise_ratio(video[0], video[1]), abs=1e-6)
    assert psnr(video[0], video[0]) == 60.0
    almost = video[0].copy()
    almost[0, 0] ^= 1
    assert psnr(video[0], almost) == 60.0


def test_quantised_rounds_and_clips():
    np.testing.assert_array_equal(quantised(np.array([-3.0, 0.4, 0.6, 254.7, 300.0])), [0, 0, 1, 255, 255])


@pytest.mark.parametrize("curve", [identity, Response(2.2)])
def test_average_quality_by_hand(video, curve):
    crops = [crop(frame, boxes(3)) for frame in video[:7]]
    light = np.mean([255 * (c / 255.0) ** curve.exponent for c in crops], axis=0)
    blurry = 255 * (light / 255) ** (1 / curve.exponent)
    blurry = quantised(resize(blurry.astype(np.float32), MEASURE_SIZE))
    sharp = resize(crops[3], MEASURE_SIZE)
    found = average_quality(crops, curve)
    assert found[0] == pytest.approx(peak_signal_noise_ratio(sharp, blurry), abs=0.02)
    assert found[1] == pytest.approx(reference_ssim(sharp, blurry), abs=2e-4)


def test_a_still_video_has_no_blur(video):
    assert average_quality([video[0][:100, :100]] * 9) == (60.0, pytest.approx(1.0, abs=1e-6))


@pytest.mark.parametrize("curve", [identity, Response(2.2)])
def test_a_growing_window_equals_one_measured_at_once(video, curve):
    growing = WindowQuality(lambda i: video[i], boxes, curve)
    for start, stop in [(0, 3), (0, 5), (0, 7), (3, 6), (2, 7), (1, 10), (8, 11)]:  # grows, restarts, grows backwards
        middle = (start + stop) // 2
        expected = average_quality([crop(frame, boxes(middle)) for frame in video[start:stop]], curve)
        fresh = WindowQuality(lambda i: video[i], boxes, curve).measure(start, stop)
        assert growing.measure(start, stop) == pytest.approx(fresh, abs=1e-6)
        assert fresh == pytest.approx(expected, abs=1e-4)
        assert growing.ssim(start, stop) == growing.measure(start, stop)[1]


def test_kernel_quality_blurs_at_the_measuring_size(video):
    kernel = np.full((9, 9), 1 / 81, np.float32)
    sharp = resize(crop(video[0], boxes(0)), MEASURE_SIZE)
    blurry = quantised(apply_kernel(sharp, kernel))
    found = kernel_quality(crop(video[0], boxes(0)), kernel)
    assert found[0] == pytest.approx(peak_signal_noise_ratio(sharp, blurry), abs=1e-6)
    assert found[1] == pytest.approx(reference_ssim(sharp, blurry), abs=2e-5)
    assert kernel_quality(sharp, np.ones((1, 1), np.float32))[0] == 60.0


def test_longer_windows_of_a_moving_picture_are_worse(video):
    quality = WindowQuality(lambda i: video[i], lambda i: CropBox(30, 20, 100))
    values = [quality.ssim(5 - half, 6 + half) for half in range(1, 6)]
    assert values == sorted(values, reverse=True)
    mean = average([crop(frame, CropBox(30, 20, 100)) for frame in video])
    assert values[-1] == pytest.approx(
        ssim(quantised(resize(mean, 256)), resize(crop(video[5], CropBox(30, 20, 100)), 256)), abs=1e-6
    )
