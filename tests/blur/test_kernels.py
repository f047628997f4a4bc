import numpy as np
import pytest
from scipy import ndimage

from facedeblur.blur.kernels import apply_kernel, crop_to_support, normalise, splat


@pytest.fixture
def kernel():
    return normalise(np.random.default_rng(1).random((7, 7)))


def test_normalise_makes_the_sum_one():
    kernel = normalise(np.full((5, 5), 3.0))
    assert kernel.dtype == np.float32
    assert kernel.sum(dtype=float) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("values", [np.zeros((3, 3)), np.array([[1.0, -0.1], [0.0, 0.0]]), np.full((3, 3), np.nan)])
def test_normalise_refuses_what_is_no_kernel(values):
    with pytest.raises(ValueError, match="kernel"):
        normalise(values)


def test_crop_to_support_keeps_the_centre():
    kernel = np.zeros((9, 9))
    kernel[4, 4], kernel[4, 6] = 2.0, 1.0
    cropped = crop_to_support(kernel)
    assert cropped.shape == (5, 5)
    assert cropped[2, 2] == 2.0 and cropped[2, 4] == 1.0 and cropped.sum() == 3.0


def test_one_point_is_a_delta():
    np.testing.assert_array_equal(splat(np.array([[13.7, -2.2]])), [[1.0]])


def test_two_points_by_hand():
    # centroid in the middle, each point a quarter pixel from a pixel centre
    kernel = splat(np.array([[0.0, 0.0], [2.5, 0.0]]))
    assert kernel.shape == (5, 5)
    np.testing.assert_allclose(kernel[2], [0.125, 0.375, 0.0, 0.375, 0.125], atol=1e-6)
    assert kernel.sum() == pytest.approx(1.0)


def test_splat_keeps_the_centroid_and_the_weights():
    rng = np.random.default_rng(2)
    points, weights = rng.normal(0, 4, (50, 2)), rng.random(50)
    kernel = splat(points, weights)
    assert kernel.shape[0] % 2 == 1 and kernel.shape[0] == kernel.shape[1]
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert kernel.sum(dtype=float) == pytest.approx(1.0, abs=1e-5)
    assert (kernel.sum(0) * offsets).sum() == pytest.approx(0.0, abs=1e-4)
    assert (kernel.sum(1) * offsets).sum() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("size", [7, 31])  # small kernels are filtered directly, large ones through a DFT
def test_apply_is_convolution_with_replicated_border(size):
    rng = np.random.default_rng(3)
    kernel = normalise(rng.random((size, size)))
    image = rng.integers(0, 256, (40, 33), dtype=np.uint8)
    expected = ndimage.convolve(image.astype(np.float64), kernel.astype(np.float64), mode="nearest")
    blurred = apply_kernel(image, kernel)
    assert blurred.dtype == np.float32
    np.testing.assert_allclose(blurred, expected, atol=2e-2)


def test_apply_against_brute_force(kernel):
    image = np.random.default_rng(4).random((9, 9)).astype(np.float32)
    padded = np.pad(image, 3, mode="edge")
    expected = [[(padded[y : y + 7, x : x + 7] * kernel[::-1, ::-1]).sum() for x in range(9)] for y in range(9)]
    np.testing.assert_allclose(apply_kernel(image, kernel), expected, rtol=1e-5)


def test_an_impulse_draws_the_kernel(kernel):
    image = np.zeros((15, 15), np.float32)
    image[7, 7] = 1.0
    np.testing.assert_allclose(apply_kernel(image, kernel)[4:11, 4:11], kernel, atol=1e-7)


def test_channels_are_filtered_alike(kernel):
    image = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    blurred = apply_kernel(image, kernel)
    assert blurred.shape == image.shape
    for channel in range(3):
        np.testing.assert_allclose(blurred[..., channel], apply_kernel(image[..., channel], kernel), rtol=1e-5)


def test_a_delta_changes_nothing(kernel):
    image = np.random.default_rng(6).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(apply_kernel(image, np.ones((1, 1), np.float32)), image)


def test_a_flat_image_stays_flat(kernel):
    np.testing.assert_allclose(apply_kernel(np.full((20, 20), 77, np.uint8), kernel), 77.0, rtol=1e-5)
