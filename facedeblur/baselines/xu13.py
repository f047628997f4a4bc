"""Xu, Zheng, Jia: "Unnatural L0 sparse representation for natural image deblurring", CVPR 2013 (`xu13`).

    min  |k * x - y|^2 + lambda * sum of phi(grad x) + gamma |k|^2,    phi(a) = a^2 / eps^2 for |a| <= eps, else 1

As published: equations 11 and 12, Algorithm 1, lambda = 2e-3 and gamma = 40 for all images. The pyramid and the
kernels' clean-up were not; they are those of Pan et al. here. With these the method does not reach the figures of its
paper, where the L0 gradients in the frame of Pan et al. (`l0`) do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.boundary import wrap_boundary, wrapped_size
from facedeblur.baselines.deconvolution.fourier import (
    differences,
    divergence,
    otf2psf,
    squared_modulus,
    valid_differences,
)
from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep
from facedeblur.baselines.deconvolution.hyper_laplacian import HyperLaplacianDeblurrer
from facedeblur.baselines.deconvolution.kernel_cleanup import clean

EPSILONS = (1.0, 0.5, 0.25, 0.125)  # phi comes nearer to the L0 norm; 1 / eps solves for each


class Xu13(HyperLaplacianDeblurrer):
    """Kernels from images of few, strong gradients; the image by a hyper-Laplacian prior.

    Args:
        device, side, chunk: see BlindDeblurrer.
        smoothness: lambda.
        kernel_weight: gamma.
        iterations: of image and kernel, a level.
        final_weight, final_alpha: of the last step, see `hyper_laplacian`.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        smoothness: float = 2e-3,
        kernel_weight: float = 40.0,
        iterations: int = 5,
        final_weight: float = 2000.0,
        final_alpha: float = 0.5,
        chunk: int = 32,
    ) -> None:
        super().__init__(device, side, final_weight, final_alpha, chunk)
        self.smoothness, self.kernel_weight, self.iterations = smoothness, kernel_weight, iterations

    def alternate(self, blurry: Tensor, kernel: Tensor) -> Tensor:
        (height, width), side = blurry.shape[-2:], kernel.shape[-1]
        wrapped = wrap_boundary(blurry, wrapped_size((height, width), side))
        problem = QuadraticStep(wrapped)
        blurred = torch.fft.rfft2(valid_differences(blurry))
        for _ in range(self.iterations):
            problem.set_kernel(kernel)
            latent = self._latent(problem, wrapped)[..., :height, :width]
            kernel = clean(closed_form_kernel(valid_differences(latent), blurred, side, self.kernel_weight), kernel)
        return kernel

    def _latent(self, problem: QuadraticStep, latent: Tensor) -> Tensor:
        """Equations 11 and 12: gradients of at most eps vanish, each direction by itself."""
        for epsilon in EPSILONS:
            for _ in range(round(1 / epsilon)):
                # in place gives 0 and 1 as floats, without the slow way over bool
                kept = [d.abs().gt_(epsilon).mul_(d) for d in differences(latent)]
                latent = problem.solve(divergence(*kept), self.smoothness / epsilon**2)
        return latent


def closed_form_kernel(latent: Tensor, blurred: Tensor, side: int, weight: float) -> Tensor:
    """The k of least sum |d * k - b|^2 + weight |k|^2 over the whole period, its middle (B, 1, side, side) cut out.

    latent: gradients d (B, 2, H, W), taken for periodic. blurred: the spectra of b, (B, 2, H, W // 2 + 1).
    """
    spectrum = torch.fft.rfft2(latent)
    product = (spectrum.conj() * blurred).sum(1, keepdim=True)
    power = squared_modulus(spectrum).sum(1, keepdim=True)
    return otf2psf(product / (power + weight), latent.shape[-2:], side)
