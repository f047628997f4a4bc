"""Blind deconvolution behind the Deblurrer interface: coarse to fine, in chunks, for images of any kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.kernel_cleanup import centred, drop_faint, normalised
from facedeblur.baselines.deconvolution.pyramid import RATIO, downsample, kernel_sides, starting_kernel, upsample_kernel

LUMINANCE = (0.2989, 0.5870, 0.1140)  # MATLAB's rgb2gray


def gray(images: Tensor) -> Tensor:
    """Luminance (B, 1, H, W) of RGB images (B, 3, H, W)."""
    red, green, blue = (weight * images[:, i : i + 1] for i, weight in enumerate(LUMINANCE))
    return red + green + blue


def coarse_to_fine(blurry: Tensor, side: int, alternate: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Kernels (B, 1, side, side) of blurry images (B, 1, H, W), estimated along the pyramid.

    alternate: (blurry images of a level, kernels to start from) -> kernels of that level; called coarsest level first.
    """
    sides = kernel_sides(side)
    kernel = starting_kernel(sides[0], blurry)
    for level, here in enumerate(sides):
        if level:
            kernel = upsample_kernel(kernel, here)
        ratio = RATIO ** (len(sides) - 1 - level)
        kernel = centred(alternate(downsample(blurry, ratio), kernel))
    return normalised(drop_faint(kernel), kernel)


@dataclass(frozen=True)
class Deconvolved:
    """images: restored, (B, 3, H, W) in [0, 1]. kernels: what they were blurred with, (B, 1, side, side)."""

    images: Tensor
    kernels: Tensor


class BlindDeblurrer(ABC):
    """A Deblurrer that estimates a kernel from the luminance and deconvolves every channel with it.

    Images are taken as they come: pixels that are not finite count as black, values are clamped to [0, 1], images
    smaller than three kernels are replicated beyond their border, and where the result is not finite it is the input.
    An image's result does not depend on the others of its batch to the bit: they run in chunks of one size. On a CPU
    that is a single image, whose planes stay in the cache; on a GPU the last chunk is filled up.

    Args:
        device: where it runs; None is that of the images.
        side: of the kernels in pixels, odd; None: by the size of the images, see `default_side`.
        chunk: images at a time on a GPU.

    Raises:
        ValueError: a side that is not odd, or too small.
    """

    version = 1  # of what it computes: rows of another version do not stand beside this one's
    side_of_image = 0.12  # kernel side per image side: 15 taps at 128 px, 31 at 256
    smallest = 1  # side of images in pixels that the steps take; smaller ones are replicated beyond their border
    given: Mapping[str, str] = MappingProxyType({})  # what else decides a row, for its protocol

    def __init__(self, device: str | torch.device | None = None, side: int | None = None, chunk: int = 16) -> None:
        if side is not None:
            kernel_sides(side)  # raises ValueError for an impossible side
        self.device, self.side, self.chunk = device, side, chunk

    @abstractmethod
    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        """Kernels (B, 1, side, side) of images (B, 1, H, W) in [0, 1]."""

    @abstractmethod
    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] deconvolved with their kernels; not clamped."""

    def solve(self, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Restored images (B, 3, H, W), not clamped, and kernels (B, 1, side, side) of images in [0, 1]."""
        kernels = self.estimate(gray(images), side)
        return self.restore(images, kernels), kernels

    def default_side(self, size: tuple[int, int]) -> int:
        """The odd kernel side for images of `size` where none was asked for."""
        return max(3, 2 * round((self.side_of_image * min(size) - 1) / 2) + 1)

    def __call__(self, images: Tensor) -> Tensor:
        """Blurry images (B, 3, H, W) in [0, 1] -> restored ones, same shape, type and device."""
        return self.deconvolve(images).images

    @torch.no_grad()
    def deconvolve(self, images: Tensor) -> Deconvolved:
        """Restored images and kernels, both of the images' type and device.

        Raises:
            ValueError: anything but floating-point (B, 3, H, W).
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(f"images must be (B, 3, H, W) floats in [0, 1], got {tuple(images.shape)} {images.dtype}")
        side = self.default_side((images.shape[-2], images.shape[-1])) if self.side is None else self.side
        usable = self._usable(images)
        grown, place = self._grown(usable, side)
        size = 1 if grown.device.type == "cpu" else self.chunk
        restored, kernels = [], []
        for first in range(0, len(grown), size):
            chunk = grown[first : first + size]
            count = len(chunk)
            # a copy: where in memory an image lies must not decide which path its transforms take
            chunk = torch.cat((chunk, chunk[-1:].expand(size - count, -1, -1, -1)))
            with torch.inference_mode():  # a fifth faster than no_grad: thousands of operations on small planes
                images_of_chunk, kernels_of_chunk = self.solve(chunk, side)
            restored.append(images_of_chunk[:count])
            kernels.append(kernels_of_chunk[:count])
        if not restored:
            return Deconvolved(images.clone(), images.new_zeros(0, 1, side, side))
        result = torch.cat(restored)[place]
        finite = torch.isfinite(result).flatten(1).all(1)[:, None, None, None]
        result = torch.where(finite, result, usable).clamp(0, 1)
        return Deconvolved(result.to(images), torch.cat(kernels).to(images))

    def _usable(self, images: Tensor) -> Tensor:
        """The images on the device, float32 or float64: nothing that is no number, nothing outside [0, 1]."""
        precision = images.dtype if images.dtype == torch.float64 else torch.float32
        usable = torch.nan_to_num(images.to(self.device or images.device, precision), 0.0, 1.0, 0.0).clamp(0, 1)
        return usable.contiguous()  # the planes of an image, whatever order of its memory it came in

    def _grown(self, images: Tensor, side: int) -> tuple[Tensor, tuple]:
        """Images replicated beyond their border to what the steps take, and the index that cuts the originals out."""
        height, width = images.shape[-2:]
        least = max(3 * side, self.smallest)
        rows, columns = max(0, least - height), max(0, least - width)
        top, left = rows // 2, columns // 2
        grown = F.pad(images, (left, columns - left, top, rows - top), mode="replicate")
        return grown, (..., slice(top, top + height), slice(left, left + width))


class CoarseToFine(BlindDeblurrer):
    """A BlindDeblurrer whose kernels come from alternations of latent image and kernel at every level of a pyramid."""

    @abstractmethod
    def alternate(self, blurry: Tensor, kernel: Tensor) -> Tensor:
        """Kernels of the images (B, 1, h, w) of one level; `kernel` (B, 1, s, s) is what the coarser level found."""

    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        return coarse_to_fine(blurry, side, self.alternate)
