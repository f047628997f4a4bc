"""The patch prior and the deconvolution under it: by brute force, dense solves, and against the plain Wiener filter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.signal import convolve2d
from scipy.stats import multivariate_normal
from skimage import data
from skimage.restoration import unsupervised_wiener

from facedeblur.baselines.deconvolution.epll import WEIGHTS, _patches, _tapered, _together, epll
from facedeblur.baselines.deconvolution.patch_prior import (
    PACKAGED,
    PatchPrior,
    PriorError,
    fit,
    load_prior,
    save_prior,
)


def mixture(components: int = 3) -> PatchPrior:
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(components, 64, 6, generator=generator, dtype=torch.float64) * 0.1
    covariances = factors @ factors.mT + 1e-4 * torch.eye(64, dtype=torch.float64)
    return PatchPrior.of(torch.tensor([0.5, 0.3, 0.2][:components]), covariances)


def test_a_patch_is_restored_by_its_most_probable_component():
    prior, noise = mixture(), 0.1
    patches = torch.randn(40, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.3 + 0.5
    found = prior.restore(patches, torch.tensor(noise, dtype=torch.float64))
    covariances = (prior.directions.mT @ (prior.variances[:, :, None] * prior.directions)).numpy()
    for patch, restored in zip(patches.numpy(), found.numpy(), strict=True):
        centred = patch - patch.mean()
        logs = [
            math.log(weight) + multivariate_normal.logpdf(centred, cov=one + noise**2 * np.eye(64))
            for weight, one in zip(prior.weights.tolist(), covariances, strict=True)
        ]
        best = covariances[int(np.argmax(logs))]
        expected = np.linalg.solve(best + noise**2 * np.eye(64), best @ centred) + patch.mean()
        np.testing.assert_allclose(restored, expected, atol=1e-8)


def test_patches_and_their_sum():
    image = torch.rand(1, 2, 11, 13)
    for stride in (1, 3):
        patches = _patches(image, stride)
        counts = _together(torch.ones_like(patches), (11, 13), stride)
        assert counts.min() >= 1
        mean = _together(patches, (11, 13), stride) / counts
        assert torch.allclose(mean[:, 0], image[0], atol=1e-6)
    assert torch.equal(_patches(image, 1)[0, :, 0].view(8, 8), image[0, 0, :8, :8])


def test_the_image_step_solves_equation_4_densely():
    """One round with patches that stay as they are: the masked blur and the patches' pull, as a dense system."""
    side, size, noise, weight = 3, (9, 10), 0.1, 800.0
    scene = (11, 12)
    image = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kernel = kernel / kernel.sum()
    # every direction as variable as can be: nothing is filtered
    prior = PatchPrior.of(torch.ones(1), 1e12 * torch.eye(64)[None])
    found = epll(image, kernel, torch.tensor([noise]), prior, weights=(weight,), iterations=60)[0, 0]
    blur = np.zeros((90, 132))
    for row, (y, x) in enumerate(np.ndindex(size)):
        for i, j in np.ndindex(side, side):
            blur[row, (y + i) * scene[1] + x + j] = kernel[0, 0, side - 1 - i, side - 1 - j]
    counts = np.zeros(scene)
    for y, x in np.ndindex(scene[0] - 7, scene[1] - 7):
        counts[y : y + 8, x : x + 8] += 1
    start = _tapered(image, 1)[0, 0].numpy()
    data_weight, observed = 64 / noise**2, start[1:-1, 1:-1].ravel()
    matrix = data_weight * blur.T @ blur + weight * np.diag(counts.ravel())
    right = data_weight * blur.T @ observed + weight * (counts * start).ravel()
    expected = np.linalg.solve(matrix, right).reshape(scene)[1:-1, 1:-1]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_beats_the_wiener_filter_with_the_true_kernel():
    sharp = data.astronaut()[60:188, 160:288].mean(2) / 255
    kernel = np.zeros((9, 9))
    kernel[4, 1:8], kernel[3, 4:7] = 1, 1
    kernel /= kernel.sum()
    blurry = convolve2d(np.pad(sharp, 4, mode="reflect"), kernel, mode="valid")
    blurry = (blurry + 0.01 * np.random.default_rng(0).standard_normal(blurry.shape)).clip(0, 1)
    images, taps = torch.from_numpy(blurry).float()[None, None], torch.from_numpy(kernel).float()[None, None]
    prior = load_prior()
    restored = epll(images, taps, torch.tensor([0.01]), prior, stride=2)[0, 0].clamp(0, 1).numpy()

    def psnr(image: np.ndarray) -> float:
        return -10 * math.log10(np.square(image - sharp)[8:-8, 8:-8].mean())

    np.random.seed(0)
    wiener, _ = unsupervised_wiener(blurry, kernel)
    assert psnr(restored) > psnr(blurry) + 4 and psnr(restored) > psnr(wiener) + 1


def test_images_do_not_depend_on_each_other_and_flat_ones_stay():
    kernel = torch.full((2, 1, 3, 3), 1 / 9)
    images = torch.rand(2, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    images[0] = 0.25
    noise, prior = torch.tensor([0.01, 0.02]), mixture()
    found = epll(images, kernel, noise, prior, WEIGHTS[:2])
    assert torch.allclose(found[0], images[0], atol=1e-3)
    assert torch.allclose(found[1:], epll(images[1:], kernel[1:], noise[1:], prior, WEIGHTS[:2]), atol=1e-4)


def test_fitting_finds_two_kinds_of_patches():
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(-1, 1, 8)
    across, down = ramp.repeat(8), ramp.repeat_interleave(8)
    signs = torch.randint(2, (600, 1), generator=generator) * 2 - 1
    patches = signs * torch.stack([across, down]).repeat_interleave(300, 0)
    prior = fit(patches + 0.01 * torch.randn(600, 64, generator=generator), components=2)
    assert prior.weights.tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    leading = prior.directions[:, -1]
    matches = (leading @ torch.stack([across, down], dim=1).double() / across.norm()).abs()
    assert matches.max(dim=1).values.min() > 0.99 and set(matches.argmax(1).tolist()) == {0, 1}


def test_the_prior_in_the_box_says_where_it_comes_from():
    prior = load_prior()
    assert "camera" in prior.source and "astronaut" not in prior.source
    assert prior.weights.sum().item() == pytest.approx(1) and prior.variances.min() >= 0


def test_written_and_read_again(tmp_path):
    prior = mixture()
    save_prior(tmp_path / "p.npz", prior, "made up")
    again = load_prior(tmp_path / "p.npz")
    assert again.source == "made up"
    assert torch.allclose(again.variances, prior.variances, atol=1e-6)


def test_the_authors_file(tmp_path):
    """Its patches go column by column: a component that varies across only must do so here as well."""
    ramp = np.linspace(-1, 1, 8)
    across = np.outer(np.ones(8), ramp)
    column_by_column = across.ravel(order="F")
    covariances = np.stack([np.outer(column_by_column, column_by_column), np.eye(64)], axis=2)
    mixture = {"nmodels": 2, "dim": 64, "means": np.zeros((64, 2)), "covs": covariances, "mixweights": [[0.25], [0.75]]}
    savemat(tmp_path / "GS.mat", {"GS": mixture})
    prior = load_prior(tmp_path / "GS.mat")
    assert prior.weights.tolist() == [0.25, 0.75]
    leading = prior.directions[0, -1]
    assert abs((leading @ torch.from_numpy(across.ravel())).item()) == pytest.approx(np.linalg.norm(across))


@pytest.mark.parametrize("name", ["a.npz", "a.mat"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(PriorError, match="no such file"):
        load_prior(tmp_path / name)
    (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(PriorError, match=name):
        load_prior(tmp_path / name)
    (tmp_path / name).write_bytes(PACKAGED.read_bytes()[:5000])
    with pytest.raises(PriorError, match=name):
        load_prior(tmp_path / name)
    savemat(tmp_path / "b.mat", {"GS": {"covs": np.zeros((9, 9, 2)), "mixweights": [0.5, 0.5]}})
    with pytest.raises(PriorError, match="no 8x8 patches"):
        load_prior(tmp_path / "b.mat")
