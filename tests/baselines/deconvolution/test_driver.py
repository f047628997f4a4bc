"""The driver: levels in order, kernel sides by image size, and what every method gets and gives."""

import pytest
import torch

from facedeblur.baselines.deconvolution import driver
from facedeblur.baselines.deconvolution.pyramid import kernel_sides


class Recorded(driver.BlindDeblurrer):
    """A kernel of one tap; images come back brighter, or as `answer`."""

    answer = None

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.seen = []

    def estimate(self, blurry, side):
        self.seen.append(blurry)
        kernel = blurry.new_zeros(len(blurry), 1, side, side)
        kernel[..., side // 2, side // 2] = 1
        return kernel

    def restore(self, images, kernels):
        return images + 0.125 if self.answer is None else self.answer(images)


@pytest.mark.parametrize(("size", "side"), [((128, 128), 15), ((256, 256), 31), ((256, 300), 31), ((8, 8), 3)])
def test_kernel_side_by_image_size(size, side):
    assert Recorded().default_side(size) == side


def test_levels_come_coarsest_first_and_hand_their_kernels_on():
    seen = []

    def alternate(blurry, kernel):
        seen.append((blurry.shape[-1], kernel.shape[-1], kernel.sum().item()))
        return kernel

    kernel = driver.coarse_to_fine(torch.rand(1, 1, 100, 90), 15, alternate)
    assert [side for _, side, _ in seen] == kernel_sides(15) and kernel.shape[-1] == 15
    assert seen[-1][0] == 90 and all(a[0] < b[0] for a, b in zip(seen, seen[1:], strict=False))
    assert all(total == pytest.approx(1) for *_, total in seen)
    assert kernel.sum().item() == pytest.approx(1)


def test_gray_is_rec_601():
    made = driver.gray(torch.eye(3)[:, :, None, None])
    assert made.flatten().tolist() == pytest.approx([0.2989, 0.5870, 0.1140])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_images_come_back_in_their_type_clamped_and_in_chunks(dtype):
    images = torch.rand(3, 3, 40, 50).to(dtype)
    method = Recorded(side=5)
    done = method.deconvolve(images)
    assert done.images.dtype == done.kernels.dtype == dtype and done.kernels.shape == (3, 1, 5, 5)
    assert torch.allclose(done.images, (images + 0.125).clamp(0, 1), atol=1e-3)
    assert [len(batch) for batch in method.seen] == [1, 1, 1]  # one at a time on the CPU
    assert torch.equal(method(images.to(memory_format=torch.channels_last)), done.images)


def test_results_can_be_used_in_training_and_in_place():
    done = Recorded(side=5).deconvolve(torch.rand(2, 3, 20, 20))
    assert not done.images.is_inference() and not done.kernels.is_inference()
    done.images.mul_(0.5)
    weight = torch.ones(1, requires_grad=True)
    (weight * done.images).sum().backward()
    assert weight.grad.item() == pytest.approx(done.images.sum().item(), rel=1e-5)


def test_pixels_that_are_no_numbers_are_black_and_results_that_are_none_are_the_input():
    images = torch.full((2, 3, 30, 30), 0.5)
    images[0, :, 4, 4] = float("nan")
    method = Recorded(side=3)
    assert torch.equal(method(images)[0, :, 4, 4], torch.full((3,), 0.125))
    method.answer = lambda images: images * float("nan") if (images == 0).any() else images + 0.25
    made = method(images)
    assert torch.equal(made[0, :, 9, 9], torch.full((3,), 0.5)) and torch.equal(made[0, :, 4, 4], torch.zeros(3))
    assert torch.equal(made[1], torch.full((3, 30, 30), 0.75))


def test_small_images_are_given_larger_and_come_back_small():
    method = Recorded(side=9)
    images = torch.rand(1, 3, 5, 40)
    assert method(images).shape == images.shape and method.seen[0].shape == (1, 1, 27, 40)
    assert torch.allclose(method(images), (images + 0.125).clamp(0, 1))


def test_no_images_give_none():
    done = Recorded(side=5).deconvolve(torch.zeros(0, 3, 8, 8))
    assert done.images.shape == (0, 3, 8, 8) and done.kernels.shape == (0, 1, 5, 5)


@pytest.mark.parametrize(
    "images", [torch.zeros(3, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_other_inputs_are_refused(images):
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\) floats"):
        Recorded()(images)


def test_an_even_side_is_refused():
    with pytest.raises(ValueError, match="odd and at least 3"):
        Recorded(side=8)
