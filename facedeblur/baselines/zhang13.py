"""Zhang, Wipf, Zhang: "Multi-image blind deblurring using a coupled adaptive sparse prior", CVPR 2013, for one image
(`zhang13`).

    min over x, k >= 0, noise s   |y - k * x|^2 / s + sum of min over g(i) of  x(i)^2 / g(i) + log(s + g(i) v(i))

with v(i) the squared norm of the kernel as far as data see pixel i: image, kernel and noise share one prior, which is
the sparser the less the noise and the longer the kernel. Minimised by majorisation: with z(i) = 1 / (v(i) / s + 1 /
g(i)),

    x the posterior mean for precisions 1 / g,   g = x^2 + z,   k by nonnegative least squares,   s the mean misfit.

The authors' code, start values and schedule are not public; ours are stated here. The learnt noise has a floor that
falls from turn to turn, without which it is too small from the beginning (the TPAMI version warns of it for one
image).
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.fourier import valid_differences
from facedeblur.baselines.deconvolution.hyper_laplacian import HyperLaplacianDeblurrer
from facedeblur.baselines.deconvolution.kernel_cleanup import normalised
from facedeblur.baselines.deconvolution.variational import GradientModel

FIRST_VARIANCE, FIRST_NOISE = 1 / 400, 1e-3  # of the gradients (a standard deviation of 0.05), and of the noise


class Zhang13(HyperLaplacianDeblurrer):
    """Kernels by variational Bayes with learnt noise; the image by a hyper-Laplacian prior.

    Args:
        device, side, chunk: see BlindDeblurrer.
        iterations: turns of gradients, kernel and noise, a level.
        steps: of conjugate gradients, a turn.
        noise: floor of the noise's standard deviation in the last turn, of images in [0, 1].
        decay: by how much that floor is higher in each turn before.
        final_weight, final_alpha: of the last step, see `hyper_laplacian`.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        iterations: int = 15,
        steps: int = 25,
        noise: float = 0.01,
        decay: float = 1.15,
        final_weight: float = 2000.0,
        final_alpha: float = 2 / 3,
        chunk: int = 32,
    ) -> None:
        super().__init__(device, side, final_weight, final_alpha, chunk)
        self.iterations, self.steps, self.noise, self.decay = iterations, steps, noise, decay

    def alternate(self, blurry: Tensor, kernel: Tensor) -> Tensor:
        gradients = GradientModel(valid_differences(blurry), kernel.shape[-1])
        mean = torch.zeros_like(gradients.data)
        spread = torch.full_like(mean, FIRST_VARIANCE)  # g of the docstring
        noise = mean.new_full((len(mean), 1, 1, 1), FIRST_NOISE)
        for turn in range(self.iterations):
            floor = (self.noise * self.decay ** (self.iterations - 1 - turn)) ** 2
            mean, spread, kernel, noise = self._turn(gradients, mean, spread, kernel, noise, floor)
        return kernel

    def _turn(
        self, gradients: GradientModel, mean: Tensor, spread: Tensor, kernel: Tensor, noise: Tensor, floor: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One update of each; the kernel sums to one, mean and spread are scaled the other way."""
        gradients.set_kernel(kernel)
        precision = 1 / spread
        mean = gradients.mean(noise, precision, mean, self.steps)
        variance = gradients.variance(noise, precision)
        found = gradients.kernel(mean, variance, kernel)
        scale = found.sum((1, 2, 3), keepdim=True)
        scale = torch.where(torch.isfinite(scale) & (scale > 0), scale, 1)
        kernel = normalised(found, kernel)
        mean, variance = mean * scale, variance * scale.square()
        gradients.set_kernel(kernel)
        noise = (gradients.misfit(mean, variance) / gradients.count).clamp_min(floor)
        return mean, mean.square() + variance, kernel, noise
