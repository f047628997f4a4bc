"""The kernel step: the kernel that explains the blurry image's gradients by those of a latent image.

All kernels k of one batch minimise  sum_d |I_d * k - B_d|² + weight |k|²  over their side² taps (Cho and Lee, SIGGRAPH
Asia 2009; Pan et al. 2014, equation 17), where I_d and B_d are periodic gradient images. The normal equations are a
Toeplitz system, whose entries are the gradients' autocorrelation: computed once, after which an iteration of conjugate
gradients costs two FFTs of twice the kernel's side instead of the image's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient
from facedeblur.baselines.deconvolution.fourier import around_origin, good_size, otf2psf, squared_modulus


class KernelStep:
    """Kernels for one batch of blurry images, from any number of latent ones.

    blurred: their gradients (B, C, H, W); the sum runs over the C. side: of the kernels, odd. weight: of the kernels'
    squared norm. iterations, tolerance: conjugate gradients stop at |residual| <= tolerance, for each image by itself.
    """

    def __init__(
        self, blurred: Tensor, side: int, weight: float, iterations: int = 20, tolerance: float = 1e-5
    ) -> None:
        self.size = (blurred.shape[-2], blurred.shape[-1])
        self.side, self.weight, self.iterations, self.tolerance = side, weight, iterations, tolerance
        self.blurred = torch.fft.rfft2(blurred)

    def __call__(self, latent: Tensor) -> Tensor:
        """Kernels (B, 1, side, side) for the latent gradients (B, C, H, W): neither thresholded nor normalised."""
        spectrum = torch.fft.rfft2(latent)
        power = squared_modulus(spectrum).sum(1, keepdim=True)
        correlation = torch.fft.irfft2(power, s=self.size)
        product = (spectrum.conj() * self.blurred).sum(1, keepdim=True)
        right = otf2psf(product, self.size, self.side)
        uniform = torch.full_like(right, 1 / self.side**2, dtype=torch.float64)
        matrix = self._toeplitz(correlation)
        kernel = conjugate_gradient(matrix, right.double(), uniform, self.iterations, tolerance=self.tolerance)
        return kernel.to(latent)

    def _toeplitz(self, correlation: Tensor) -> Callable[[Tensor], Tensor]:
        """k -> A k, float64, for the matrix of entries correlation[p - q], plus the weight on its diagonal."""
        side = self.side
        reach = 2 * side - 1
        # an image smaller than this is met again one period on
        tiles = [-(-reach // length) for length in self.size]
        lags = around_origin(correlation.double().repeat(1, 1, *tiles), reach)
        size = (good_size(reach + side - 1),) * 2
        spectrum = torch.fft.rfft2(lags, s=size)

        def apply(kernel: Tensor) -> Tensor:
            full = torch.fft.irfft2(torch.fft.rfft2(kernel, s=size) * spectrum, s=size)
            return full[..., side - 1 : reach, side - 1 : reach] + self.weight * kernel

        return apply
