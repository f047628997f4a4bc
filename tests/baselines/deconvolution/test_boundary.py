"""Borders: Laplace's equation holds in the filling, the seam is as smooth as the image, tapering is MATLAB's."""

import numpy as np
import pytest
import torch
from scipy import fft, ndimage

from facedeblur.baselines.deconvolution import boundary


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    noise = torch.rand((2, 3, 30, 26), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    smooth = ndimage.gaussian_filter(noise.numpy(), (0, 0, 2, 2), mode="nearest")
    return torch.from_numpy(smooth)


def test_the_sine_transform_is_scipys(image):
    np.testing.assert_allclose(boundary.sine_transform(image), fft.dst(image.numpy(), type=1), atol=1e-10)


def test_wrapping_keeps_the_image_and_fills_by_laplaces_equation(image):
    size = boundary.wrapped_size(image.shape[-2:], 9)
    wrapped = boundary.wrap_boundary(image, size)
    assert wrapped.shape[-2:] == size and size[0] >= 38 and size[1] >= 34
    assert torch.equal(wrapped[..., :30, :26], image)
    around = sum(wrapped.roll(shift, dim) for shift in (1, -1) for dim in (-2, -1))
    laplacian = (around - 4 * wrapped).abs()
    assert laplacian[..., 30:, 1:25].max() < 1e-5  # the strip below without its given sides
    assert laplacian[..., 1:29, 26:].max() < 1e-5
    assert laplacian[..., 30:, 26:].max() < 1e-5


def test_the_seam_is_no_rougher_than_the_image(image):
    wrapped = boundary.wrap_boundary(image, (40, 36))
    rows, columns = (wrapped.roll(-1, -2) - wrapped).abs(), (wrapped.roll(-1, -1) - wrapped).abs()
    assert rows[..., 29:, :].max() <= rows[..., :29, :].max()
    assert columns[..., 25:].max() <= columns[..., :25].max()


def test_float32_and_a_batch_give_what_float64_and_single_images_give(image):
    wrapped = boundary.wrap_boundary(image.float(), (40, 36))
    assert wrapped.dtype == torch.float32
    assert torch.allclose(wrapped.double(), boundary.wrap_boundary(image, (40, 36)), atol=1e-6)
    assert torch.equal(wrapped[1:], boundary.wrap_boundary(image[1:].float(), (40, 36)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_images_wrap(shape):
    tiny = torch.full((1, 1, *shape), 0.25)
    assert torch.allclose(boundary.wrap_boundary(tiny, (12, 12)), torch.full((1, 1, 12, 12), 0.25))


def test_replicate_and_crop_undo_each_other(image):
    assert torch.equal(boundary.crop(boundary.replicate(image, 4), 4), image)
    assert torch.equal(boundary.replicate(image, 4)[..., :4, 4:-4], image[..., :1, :].expand(-1, -1, 4, -1))


def test_edge_taper_is_the_blur_at_the_corner_and_the_image_in_the_middle(image):
    kernel = torch.full((2, 1, 5, 5), 1 / 25, dtype=torch.float64)
    tapered = boundary.edge_taper(image, kernel)
    blurred = ndimage.uniform_filter(image[1, 2].numpy(), 5, mode="wrap")
    assert tapered[1, 2, 0, 0].item() == pytest.approx(blurred[0, 0])  # weight 0: the autocorrelation's maximum
    assert torch.allclose(tapered[..., 5:-5, 5:-5], image[..., 5:-5, 5:-5])  # weight 1: beyond its reach
    assert (tapered[..., 0] - image[..., 0]).abs().max() > 0.01


def test_edge_taper_weights_by_the_definition(image):
    profile = np.array([0.2, 0.5, 0.3])
    kernel = torch.from_numpy(np.outer(profile, [1.0]))[None, None]
    one = image[:1, :1, :, :1]
    z = np.correlate(profile, profile, "full")  # lags -2 ... 2
    weight = np.ones(30)
    weight[:3], weight[-3:] = 1 - z[2:] / z[2], 1 - z[:3] / z[2]
    blurred = ndimage.convolve1d(one[0, 0, :, 0].numpy(), profile, mode="wrap")
    # across the columns the kernel is a single tap, of lag 0 alone: blurred throughout in a single column
    made = boundary.edge_taper(one.expand(-1, -1, -1, 9), kernel)[0, 0, :, 4].numpy()
    np.testing.assert_allclose(made, weight * one[0, 0, :, 0].numpy() + (1 - weight) * blurred, atol=1e-12)
