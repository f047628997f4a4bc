"""Fourier operators: transfer functions, circular differences, convolution by FFT.

Spectra are those of `torch.fft.rfft2`, (..., H, W // 2 + 1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def good_size(length: int) -> int:
    """The smallest even length of at least `length` whose only prime factors are 2, 3 and 5: its FFT is fast."""
    length = max(2, length + length % 2)
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2


def embedded(kernels: Tensor, size: tuple[int, int]) -> Tensor:
    """Kernels (..., h, w), h and w odd, with their centre at the origin of a periodic grid of `size`."""
    height, width = kernels.shape[-2:]
    padded = F.pad(kernels, (0, size[1] - width, 0, size[0] - height))
    return padded.roll((-(height // 2), -(width // 2)), (-2, -1))


def psf2otf(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Transfer function of a kernel (B, C, h, w), h and w odd, for circular convolution of images of `size`."""
    return torch.fft.rfft2(embedded(kernel, size))


def otf2psf(otf: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """The (side, side) taps around the origin of a transfer function for images of `size`; undoes psf2otf."""
    return around_origin(torch.fft.irfft2(otf, s=size), side)


def around_origin(image: Tensor, side: int) -> Tensor:
    """(..., side, side): the values of a periodic image at offsets -(side // 2) ... side // 2."""
    return image.roll((side // 2, side // 2), (-2, -1))[..., :side, :side]


def differences(image: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences of a periodic image, horizontal and vertical, each of its shape."""
    return image.roll(-1, -1).sub_(image), image.roll(-1, -2).sub_(image)


def divergence(horizontal: Tensor, vertical: Tensor) -> Tensor:
    """The adjoint of `differences`."""
    return horizontal.roll(1, -1).sub_(horizontal).add_(vertical.roll(1, -2)).sub_(vertical)


def valid_differences(image: Tensor) -> Tensor:
    """Forward differences without wrapping: (B, C, H, W) to (B, 2 C, H - 1, W - 1), all horizontal ones first."""
    corner = image[..., :-1, :-1]
    return torch.cat((image[..., :-1, 1:] - corner, image[..., 1:, :-1] - corner), dim=1)


def difference_power(size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Real (1, 1, H, W // 2 + 1): the summed squared moduli of the transfer functions of both differences."""
    rows = torch.arange(size[0], dtype=torch.float64) / size[0]
    columns = torch.arange(size[1] // 2 + 1, dtype=torch.float64) / size[1]
    power = (2 - 2 * torch.cos(2 * math.pi * rows))[:, None] + (2 - 2 * torch.cos(2 * math.pi * columns))
    return power[None, None].to(device, dtype)


def squared_modulus(spectrum: Tensor) -> Tensor:
    """|z|² of a complex tensor, without the square root."""
    return spectrum.real.square() + spectrum.imag.square()


def circular_convolve(image: Tensor, kernel: Tensor) -> Tensor:
    """The periodic image convolved with its centred kernel (B, 1 or C, h, w); same shape."""
    size = (image.shape[-2], image.shape[-1])
    return torch.fft.irfft2(torch.fft.rfft2(image) * psf2otf(kernel, size), s=size)


def convolve(image: Tensor, kernel: Tensor, mode: str = "same") -> Tensor:
    """Convolution with zeros outside; `mode` is "full", "same" or "valid", as in scipy.signal.convolve2d.

    image: (B, C, H, W). kernel: (B, 1 or C, h, w), of odd sides for "same". Raises ValueError for another mode.
    """
    (H, W), (h, w) = image.shape[-2:], kernel.shape[-2:]
    size = (good_size(H + h - 1), good_size(W + w - 1))
    product = torch.fft.rfft2(image, s=size) * torch.fft.rfft2(kernel, s=size)
    full = torch.fft.irfft2(product, s=size)
    if mode == "full":
        return full[..., : H + h - 1, : W + w - 1]
    if mode == "same":
        return full[..., h // 2 : h // 2 + H, w // 2 : w // 2 + W]
    if mode == "valid":
        return full[..., h - 1 : H, w - 1 : W]
    raise ValueError(f"mode must be full, same or valid, got {mode}")


def correlate(image: Tensor, kernel: Tensor, mode: str = "same") -> Tensor:
    """`convolve` with the kernel rotated by 180 degrees: its adjoint, "valid" and "full" exchanged."""
    return convolve(image, kernel.flip(-2, -1), mode)
