"""Transfer functions, differences and convolutions against SciPy and the definition of the adjoint."""

import numpy as np
import pytest
import torch
from scipy import ndimage, signal

from facedeblur.baselines.deconvolution import fourier

SIZE = (20, 17)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_good_size_is_the_smallest_even_length_with_small_factors():
    def smooth(n: int) -> bool:
        return any(n == 2**a * 3**b * 5**c for a in range(1, 10) for b in range(7) for c in range(5))

    for length in range(1, 300):
        assert fourier.good_size(length) == next(n for n in range(length, 1000) if smooth(n))


@pytest.mark.parametrize("side", [1, 3, 7])
def test_a_kernel_survives_the_way_through_its_transfer_function(side):
    kernel = random(2, 1, side, side)
    assert torch.allclose(fourier.otf2psf(fourier.psf2otf(kernel, SIZE), SIZE, side), kernel, atol=1e-12)


def test_circular_convolution_is_scipys_with_wrapping(device):
    images, kernels = random(2, 3, *SIZE), random(2, 1, 5, 7, seed=1)
    ours = fourier.circular_convolve(images.to(device), kernels.to(device)).cpu()
    for image, kernel, made in zip(images, kernels, ours, strict=True):
        for channel, result in zip(image, made, strict=True):
            expected = ndimage.convolve(channel.numpy(), kernel[0].numpy(), mode="wrap")
            np.testing.assert_allclose(result, expected, atol=1e-10)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_is_scipys(mode, device):
    images, kernels = random(2, 2, *SIZE), random(2, 1, 5, 3, seed=1)
    given = images.to(device), kernels.to(device), mode
    ours, correlated = fourier.convolve(*given).cpu(), fourier.correlate(*given).cpu()
    for i in range(2):
        image, kernel = images[i, 1].numpy(), kernels[i, 0].numpy()
        np.testing.assert_allclose(ours[i, 1], signal.convolve2d(image, kernel, mode), atol=1e-10)
        np.testing.assert_allclose(correlated[i, 1], signal.correlate2d(image, kernel, mode), atol=1e-10)


def test_divergence_is_the_adjoint_of_the_differences():
    x, h, v = random(1, 1, *SIZE), random(1, 1, *SIZE, seed=1), random(1, 1, *SIZE, seed=2)
    dx, dy = fourier.differences(x)
    assert (dx * h + dy * v).sum() == pytest.approx((x * fourier.divergence(h, v)).sum().item())


def test_difference_power_is_the_spectrum_of_both_differences():
    x = random(1, 1, *SIZE)
    twice = fourier.divergence(*fourier.differences(x))
    power = fourier.difference_power(SIZE, x.dtype, x.device)
    assert torch.allclose(torch.fft.irfft2(power * torch.fft.rfft2(x), s=SIZE), twice, atol=1e-10)


def test_valid_differences_do_not_wrap():
    made = fourier.valid_differences(torch.arange(12.0).reshape(1, 1, 3, 4))
    assert made.tolist() == [[[[1.0] * 3] * 2, [[4.0] * 3] * 2]]
