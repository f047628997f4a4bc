"""Every compared method without weights: a known kernel recovered, any input survived, no image touched by another.

The bounds hold with margin where these methods are as their authors describe them. One kernel here; three sides and
three scenes each, at full size, with FACEDEBLUR_LONG=1.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.driver import BlindDeblurrer
from facedeblur.baselines.deconvolution.sparse import sparse_deconvolution
from facedeblur.baselines.names import load_baseline

from .rendered import Blurred, blurred_polygons, gain, kernel_similarity, psnr

BOUNDS = {  # name: least similarity of the kernels, least gain in dB of a common last step
    "krishnan11": (0.65, 3.0),
    "babacan12": (0.8, 4.0),
    "zhang13": (0.8, 4.0),
    "xu13": (0.8, 4.0),
    "pan14_text": (0.8, 4.0),
    "pan16": (0.8, 4.0),
    "l0": (0.8, 4.0),
}
# PSNR that a sharp image keeps. The weight of xu13's kernels, the same for all images as published, spreads them on one
# as small as this; with a quarter of it 25 dB are left, but kernels of four blurred faces are less like the true ones
# (a mean similarity of .74 instead of .86)
SHARP = dict.fromkeys(BOUNDS, 24.0) | {"xu13": 20.0}
# of the true kernel's gain that is asked for where a kernel lets little be gained. krishnan11 prunes no taps and keeps
# faint ones around long kernels: once .30 of it with 15 pixels and a similarity of .82, .42 to .71 of the eight others
SHARE = dict.fromkeys(BOUNDS, 1 / 3) | {"krishnan11": 1 / 4}
every_method = pytest.mark.parametrize("name", BOUNDS)


# a kernel of 9 pixels on an image of 80 is enough for the slow ones: three levels, a seventh of the time of 13 on 128
SMALL = dict.fromkeys(BOUNDS, (13, 128)) | dict.fromkeys(("babacan12", "zhang13", "pan14_text", "pan16"), (9, 80))


def method(name: str, side: int, iterations: int | None = None) -> BlindDeblurrer:
    made = load_baseline(name)[1]
    made.side = side
    made.iterations = iterations or made.iterations
    return made


@cache
def rendered(side: int, size: int) -> Blurred:
    return blurred_polygons(side, size)


@every_method
def test_a_known_kernel_is_recovered_and_float64_agrees(name):
    similarity, least = BOUNDS[name]
    side, size = SMALL[name]
    example, deblurrer = rendered(side, size), method(name, side)
    images = example.blurry.expand(-1, 3, -1, -1)
    result = deblurrer.deconvolve(images)
    assert kernel_similarity(result.kernels, example.kernel) >= similarity
    assert gain(sparse_deconvolution(example.blurry, result.kernels), example) >= least
    assert gain(result.images[:, :1], example) >= 0.75 * least  # with the last step of its own
    assert result.kernels.sum().item() == pytest.approx(1, abs=1e-5) and (result.kernels >= 0).all()
    shorter = method(name, side, iterations=2)
    double = shorter.estimate(example.blurry.double(), side)
    assert double.dtype == torch.float64
    assert kernel_similarity(double, shorter.estimate(example.blurry, side)) >= 0.99


@every_method
def test_turned_and_transposed_images_have_turned_and_transposed_kernels(name):
    """Nearly: the start's two taps and the padding at two sides of four have a direction."""
    image, estimate = rendered(9, 80).blurry, method(name, 9).estimate
    kernel = estimate(image, 9)
    turned = estimate(image.flip(-2, -1), 9)
    assert kernel_similarity(turned.flip(-2, -1), kernel) > max(0.85, kernel_similarity(turned, kernel))
    assert kernel_similarity(estimate(image.mT.contiguous(), 9).mT, kernel) >= 0.85


@pytest.mark.skipif(not os.environ.get("FACEDEBLUR_LONG"), reason="minutes; set FACEDEBLUR_LONG=1")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", [9, 13, 15])
@every_method
def test_many_known_kernels_are_recovered(name, side, seed):
    similarity, least = BOUNDS[name]
    example = blurred_polygons(side, 240, seed=seed)
    kernel = method(name, side).estimate(example.blurry, side)
    restored = sparse_deconvolution(example.blurry, kernel)
    possible = gain(sparse_deconvolution(example.blurry, example.kernel), example)
    assert kernel_similarity(kernel, example.kernel) >= similarity - 0.05
    assert gain(restored, example) >= min(least, possible * SHARE[name])
    if seed == 0:
        assert kernel_similarity(method(name, side).estimate(example.blurry.double(), side), kernel) >= 0.99


@every_method
def test_a_sharp_image_stays_nearly_as_it_is(name):
    sharp = blurred_polygons(9, 80, colour=True).sharp
    result = method(name, 9).deconvolve(sharp)
    assert result.kernels[..., 3:6, 3:6].sum() > 0.6
    assert psnr(result.images, sharp) > SHARP[name]


def hostile(height: int = 20, width: int = 24) -> dict[str, Tensor]:
    """Images (3, height, width) that are no images of anything."""
    ramp = torch.linspace(0, 1, width).expand(3, height, width)
    broken = ramp.clone()
    broken[:, 5:9, 5:9] = float("nan")
    broken[0, 15, 15] = float("inf")
    return {
        "black": torch.zeros(3, height, width),
        "white": torch.ones(3, height, width),
        "constant": torch.full((3, height, width), 0.3),
        "broken": broken,
        "nothing but NaN": torch.full((3, height, width), float("nan")),
        "grey": ramp.clone(),
        "saturated": (4 * ramp - 1.5).clamp(0, 1),
        "stripes": (torch.arange(width) % 2).float().expand(3, height, width).clone(),
    }


@every_method
def test_one_hostile_image_leaves_the_others_unchanged_to_the_bit(name):
    good = blurred_polygons(5, 24, colour=True).blurry[..., :20, :]
    deblurrer = method(name, 5, iterations=3)
    alone = deblurrer(good)
    batch = torch.cat([good, torch.stack(list(hostile().values())), good])
    results = deblurrer(batch)
    assert torch.equal(results[0], alone[0]) and torch.equal(results[-1], alone[0])
    assert torch.isfinite(results).all() and results.min() >= 0 and results.max() <= 1
    for kind, result in zip(hostile(), results[1:-1], strict=True):
        if kind in ("black", "white", "constant"):
            assert torch.allclose(result, hostile()[kind], atol=2e-3), kind


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 1), (1, 40), (9, 31)])
@every_method
def test_tiny_and_narrow_images_come_back_in_their_size(name, size):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    restored = method(name, 5, iterations=3)(images)
    assert restored.shape == images.shape and torch.isfinite(restored).all()
