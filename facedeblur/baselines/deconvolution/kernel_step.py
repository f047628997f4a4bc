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

from facedeblur.baselines.deconvolution.fourier import around_origin, good_size, otf2psf, squared_modulus


class KernelStep:
    """Kernels for one batch of blurry images, from any number of latent ones.

    blurred: their gradients (B, C, H, W); the sum runs over the C. side: of the kernels, odd. weight: of the kernels'
    squared norm. iterations, tolerance: conjugate gradients stop at |residual| < tolerance, for each image by itself.
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
        kernel = conjugate_gradients(self._toeplitz(correlation), right.double(), self.iterations, self.tolerance)
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


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], right: Tensor, iterations: int, tolerance: float, start: Tensor | None = None
) -> Tensor:
    """x of A x = right, symmetric positive definite A, for every image of the batch by itself.

    apply: x -> A x. right: (B, ...). start: first x; by default every entry is one over their number (a uniform
    kernel). An image whose residual norm is below `tolerance` stays as it is.
    """
    dims = tuple(range(1, right.ndim))
    x = torch.full_like(right, 1 / right[0].numel()) if start is None else start
    residual = right - apply(x)
    direction = residual
    squared = residual.square().sum(dims, keepdim=True)
    zero = torch.zeros_like(squared)
    for _ in range(iterations):
        active = squared.sqrt() >= tolerance
        if right.device.type == "cpu" and not bool(active.any()):  # elsewhere the question would cost a wait
            break
        product = apply(direction)
        curvature = (direction * product).sum(dims, keepdim=True)
        step = torch.where(active & (curvature > 0), squared / curvature, zero)
        x = x + step * direction
        residual = residual - step * product
        before, squared = squared, residual.square().sum(dims, keepdim=True)
        direction = residual + torch.where(active, squared / before, zero) * direction
    return x
