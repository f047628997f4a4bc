from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facedeblur.metrics.image import luminance, psnr, quantise, ssim


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    # smooth images with noise of different strength: SSIM from .1 to 1
    coarse = torch.rand(4, 3, 8, 8, generator=generator)
    sharp = torch.nn.functional.interpolate(coarse, size=(40, 56), mode="bicubic").clamp(0, 1)
    noise = torch.randn(sharp.shape, generator=generator) * torch.tensor([0.0, 0.01, 0.1, 0.4])[:, None, None, None]
    return (sharp + noise).clamp(0, 1), sharp


def grey(image):
    return np.tensordot([0.299, 0.587, 0.114], image.double().numpy(), axes=1)


@pytest.mark.parametrize("quantised", [True, False])
def test_ssim_agrees_with_scikit_image(pair, quantised, device):
    images, references = (quantise(i) if quantised else i for i in pair)
    expected = [
        structural_similarity(
            grey(a), grey(b), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
        )
        for a, b in zip(images, references, strict=True)
    ]
    assert min(expected) < 0.3
    found = ssim(*(images.to(device) for images in pair), quantised=quantised).cpu()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_ssim_of_channels_agrees_with_scikit_image(pair):
    images, references = (quantise(i).numpy() for i in pair)
    expected = [
        structural_similarity(
            a, b, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
        )
        for a, b in zip(images, references, strict=True)
    ]
    np.testing.assert_allclose(ssim(*pair, variant="channels").numpy(), expected, atol=1e-4)
    assert abs(ssim(*pair)[2] - expected[2]) > 1e-3  # the variants are not the same number
    with pytest.raises(ValueError, match="variant"):
        ssim(*pair, variant="rgb")


@pytest.mark.parametrize("quantised", [True, False])
def test_psnr_agrees_with_scikit_image(pair, quantised):
    images, references = (quantise(i) if quantised else i for i in pair)
    expected = [60.0] + [
        peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1)
        for a, b in zip(images[1:], references[1:], strict=True)
    ]
    np.testing.assert_allclose(psnr(*pair, quantised=quantised).numpy(), expected, atol=1e-3)


def test_psnr_of_a_known_difference():
    black = torch.zeros(2, 3, 8, 8)
    grey_levels = torch.stack([torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.01)])
    torch.testing.assert_close(psnr(grey_levels, black, quantised=False), torch.tensor([20.0, 40.0]))
    # 0.1 is 25.5 grey levels, rounded up
    assert psnr(grey_levels, black)[0].item() == pytest.approx(-20 * math.log10(26 / 255), abs=1e-4)


def test_ssim_of_two_flat_images():
    a, b = torch.full((1, 3, 16, 16), 0.25), torch.full((1, 3, 16, 16), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim(a, b, quantised=False).item() == pytest.approx(expected, abs=1e-6)


def test_equal_images_score_the_best_there_is(pair):
    _, sharp = pair
    assert torch.equal(psnr(sharp, sharp), torch.full((4,), 60.0))
    torch.testing.assert_close(ssim(sharp, sharp), torch.ones(4))


def test_scores_are_symmetric_and_of_each_image(pair):
    for score in (psnr, ssim):
        together = score(*pair)
        assert together.shape == (4,) and together.dtype == torch.float32
        torch.testing.assert_close(together, score(*reversed(pair)))
        torch.testing.assert_close(together, torch.cat([score(a[None], b[None]) for a, b in zip(*pair, strict=True)]))


def test_quantise_rounds_and_clips():
    values = torch.tensor([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 7.0])
    torch.testing.assert_close(quantise(values) * 255, torch.tensor([0.0, 0.0, 0.0, 1.0, 255.0, 255.0, 255.0]))


def test_differences_below_half_a_grey_level_vanish_in_a_file():
    dark = torch.full((1, 3, 16, 16), 100 / 255)
    assert psnr(dark + 0.4 / 255, dark).item() == 60
    assert psnr(dark + 0.4 / 255, dark, quantised=False).item() == pytest.approx(56.09, abs=0.01)


def test_luminance_is_bt601_and_may_be_given(pair):
    images, references = pair
    np.testing.assert_allclose(luminance(images)[0, 0].numpy(), grey(images[0]), atol=1e-6)
    torch.testing.assert_close(
        ssim(luminance(images), luminance(references), quantised=False), ssim(images, references, quantised=False)
    )


def test_lower_precision_around_them_changes_nothing(pair):
    images, references = pair
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ssim(images, references), ssim(*pair))
        assert psnr(images, references).dtype == torch.float32


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="two batches"):
        psnr(torch.zeros(2, 3, 16, 16), torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="two batches"):
        ssim(torch.zeros(3, 16, 16), torch.zeros(3, 16, 16))
    with pytest.raises(ValueError, match="at least 11"):
        ssim(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))
