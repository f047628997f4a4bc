"""The masked model against SciPy's valid convolution, its own adjoint, and columns written out."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from facedeblur.baselines.deconvolution.masked import MaskedConvolution

IMAGE, SIDE = (18, 15), 5


@pytest.fixture
def model() -> MaskedConvolution:
    return MaskedConvolution(*IMAGE, SIDE, torch.zeros(1, dtype=torch.float64))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_forward_is_the_valid_convolution_of_the_scene(model, channels):
    scene, kernels = random(2, channels, *model.size), random(2, 1, SIDE, SIDE, seed=1)
    seen = model.crop(model.forward(scene, model.transfer(kernels)))
    rows, columns = model.scene
    expected = [
        [convolve2d(plane[:rows, :columns], kernel[0], mode="valid") for plane in planes]
        for planes, kernel in zip(scene.numpy(), kernels.numpy(), strict=True)
    ]
    np.testing.assert_allclose(seen, expected, atol=1e-12)


def test_adjoint_and_normal(model):
    scene, data = random(2, 3, *model.size), model.place(random(2, 3, *IMAGE, seed=1))
    transfer = model.transfer(random(2, 1, SIDE, SIDE, seed=2))
    forward = model.forward(scene, transfer)
    torch.testing.assert_close((forward * data).sum(), (scene * model.adjoint(data, transfer)).sum())
    torch.testing.assert_close(model.normal(scene, transfer), model.adjoint(forward, transfer))


def test_visibility_is_the_diagonal_of_normal_and_window_sums_are_its_trace_by_taps(model):
    kernels = random(2, 1, SIDE, SIDE)
    transfer = model.transfer(kernels)
    diagonal = torch.zeros(2, 1, *model.size, dtype=torch.float64)
    for row in range(model.size[0]):
        for column in range(model.size[1]):
            unit = torch.zeros(2, 1, *model.size, dtype=torch.float64)
            unit[..., row, column] = 1
            diagonal[..., row, column] = model.forward(unit, transfer).square().sum((2, 3))
    torch.testing.assert_close(model.visibility(kernels), diagonal)
    variance = random(2, 1, *model.size, seed=3)
    by_taps = (kernels.square() * model.window_sums(variance)).sum((2, 3))
    torch.testing.assert_close(by_taps, (diagonal * variance).sum((2, 3)))


def test_pixels_beyond_the_scene_are_not_seen(model):
    scene = torch.zeros(1, 1, *model.size, dtype=torch.float64)
    scene[..., model.scene[0] :, :] = 1
    scene[..., :, model.scene[1] :] = 1
    assert scene.any()
    assert model.forward(scene, model.transfer(random(1, 1, SIDE, SIDE))).abs().max() < 1e-12


def test_place_and_crop_are_inverse(model):
    images = random(1, 2, *IMAGE)
    assert torch.equal(model.crop(model.place(images)), images)
    assert torch.equal(model.crop(model.place_replicated(images)), images)
    assert model.place_replicated(images)[0, 1, 0, 0] == images[0, 1, 0, 0]
