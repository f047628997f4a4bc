"""Quadratic problems of half-quadratic splitting, solved in the Fourier domain.

    S = argmin |S * k - B|² + beta |grad S - (h, v)|² + gamma |S - u|²

Spectra are kept as real tensors (B, C, H, W // 2 + 1, 2), real and imaginary parts next to each other, so that scaling
by real denominators needs no complex arithmetic: twice as fast on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.fourier import difference_power, psf2otf, squared_modulus


def spectrum(image: Tensor) -> Tensor:
    """rfft2, as a real tensor (..., H, W // 2 + 1, 2)."""
    return torch.view_as_real(torch.fft.rfft2(image))


def from_spectrum(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Undoes `spectrum` for images of `size`."""
    return torch.fft.irfft2(torch.view_as_complex(values), s=size)


class QuadraticStep:
    """The solutions for one batch of periodic blurry images and their kernels.

    blurry: (B, C, H, W). kernel: (B, 1, h, w).
    """

    def __init__(self, blurry: Tensor) -> None:
        self.size = (blurry.shape[-2], blurry.shape[-1])
        self._blurry = torch.fft.rfft2(blurry)
        self._gradient_power = _twice(difference_power(self.size, blurry.dtype, blurry.device))

    def set_kernel(self, kernel: Tensor) -> None:
        """Solves with `kernel` from now on."""
        otf = psf2otf(kernel, self.size)
        self._power = _twice(squared_modulus(otf))
        self._data = torch.view_as_real(otf.conj() * self._blurry)
        self._right, self._left = self._data, self._power
        self._divisor = torch.empty_like(self._power)  # of every solve, in one place

    def set_pull(self, image: Tensor, gamma: Tensor) -> None:
        """Pulls S towards `image` (B, C, H, W) with the weights gamma (B, 1, 1, 1), until there is another kernel."""
        gamma = gamma[..., None]
        self._right, self._left = self._data + gamma * spectrum(image), self._power + gamma

    def solve(self, divergence: Tensor, beta: float) -> Tensor:
        """S for the gradients (h, v), given as their divergence (B, C, H, W), and their weight beta > 0."""
        values = spectrum(divergence)
        torch.add(values, self._right, alpha=1 / beta, out=values)  # both sides of the equation divided by beta
        torch.add(self._gradient_power, self._left, alpha=1 / beta, out=self._divisor)
        return from_spectrum(values.div_(self._divisor), self.size)


def _twice(plane: Tensor) -> Tensor:
    """The plane (..., H, W // 2 + 1) for both parts of a spectrum, in memory: broadcasting would be slower."""
    return torch.stack((plane, plane), dim=-1)
