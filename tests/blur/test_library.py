"""The blur for other projects: batches against single images, tensors against arrays, generators against seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

import facedeblur.blur as blur
from facedeblur.blur.averages import average as average_arrays
from facedeblur.blur.response import Response


def test_every_name_is_there_whatever_was_imported_before():
    for name in blur.__all__:
        assert callable(getattr(blur, name)), name
    with pytest.raises(AttributeError, match="motion_blur"):
        blur.motion_blur  # noqa: B018


def test_a_batch_has_a_kernel_for_each_image():
    images = torch.rand(3, 2, 20, 17, dtype=torch.float64)
    kernels = blur.trajectory_kernel(seed=5, size=64, count=3)
    blurred = blur.apply_kernel(images, kernels)
    for image, kernel, found in zip(images, kernels, blurred, strict=True):
        for channel in range(2):
            expected = convolve(image[channel].numpy(), kernel.astype(float), mode="nearest")
            np.testing.assert_allclose(found[channel].numpy(), expected, atol=1e-6)


def test_tensors_and_arrays_are_blurred_alike():
    image = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    kernel = blur.camera_shake_kernel(seed=2, size=128)
    tensor = torch.from_numpy(image).permute(2, 0, 1).requires_grad_()
    blurred = blur.apply_kernel(tensor, kernel)
    np.testing.assert_allclose(blurred.detach().permute(1, 2, 0), blur.apply_kernel(image, kernel), atol=1e-5)
    blurred.sum().backward()
    assert tensor.grad.sum().item() == pytest.approx(image.size, rel=1e-4)  # a kernel keeps the light


@pytest.mark.parametrize("kernels", (np.ones((4, 4)), np.ones((3, 5)), np.ones((2, 3, 3))))
def test_kernels_that_do_not_fit_are_refused(kernels):
    with pytest.raises(ValueError, match="kernel"):
        blur.apply_kernel(torch.rand(3, 1, 8, 8), kernels)


def test_a_seed_is_one_kernel_and_a_generator_draws():
    several = blur.trajectory_kernel(seed=8, size=64, count=2)
    single = blur.trajectory_kernel(seed=9, size=64)
    margin = (several.shape[1] - len(single)) // 2
    inner = several[1][margin : margin + len(single), margin : margin + len(single)]
    np.testing.assert_array_equal(inner, single)
    for make in (lambda: np.random.default_rng(4), lambda: torch.Generator().manual_seed(4)):
        one, other = make(), make()
        np.testing.assert_array_equal(blur.trajectory_kernel(one, 64), blur.trajectory_kernel(other, 64))
        drawn = [blur.trajectory_kernel(one, 64) for _ in range(4)]
        assert len({kernel.tobytes() for kernel in drawn}) > 1


@pytest.mark.parametrize("response", ("identity", "gamma2.2"))
def test_averages_of_tensors_are_those_of_arrays(response):
    frames = np.random.default_rng(1).integers(0, 256, (2, 5, 6, 7, 3), np.uint8)
    tensor = torch.from_numpy(frames).permute(0, 1, 4, 2, 3) / 255
    found = blur.average(tensor, response)
    curve = Response(2.2) if response != "identity" else Response(1.0)
    for clip, mean in zip(frames, found, strict=True):
        np.testing.assert_allclose(255 * mean.permute(1, 2, 0), average_arrays(clip, curve), atol=2e-3)
    np.testing.assert_array_equal(blur.average(frames[0], response), average_arrays(frames[0], curve))


def test_windows_of_a_moving_face_and_of_a_still_one():
    frames = [np.random.default_rng(2).integers(0, 256, (96, 96), np.uint8)] * 30
    rng = np.random.default_rng(3)
    face = rng.uniform(30, 60, (68, 2)).astype(np.float32)
    still = np.repeat(face[None], 30, 0)
    assert blur.vla_windows(still, frames) == []  # nothing is blurred
    keep = blur.VLASettings(static_threshold=1.0, max_length=11)
    windows = blur.vla_windows(still, frames, keep)
    assert [(w.start, w.length, w.stop) for w in windows] == [(0, 11, "cap"), (11, 11, "cap"), (22, 7, "end")]
    with pytest.raises(ValueError, match=r"\(30, 68, 2\)"):
        blur.vla_windows(still[:-1], frames)
