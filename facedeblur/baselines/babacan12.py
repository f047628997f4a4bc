"""Babacan, Molina, Do, Katsaggelos: "Bayesian blind deconvolution with general sparse image priors", ECCV 2012
(`babacan12`).

The gradients have the log prior, the one that the paper recommends: of precision 1 / (x^2 + z), x and z the posterior
mean and variance (equation 23). The noise's variance falls from alternation to alternation. The final image has the
same prior (equation 24).

The authors' code is not public, and the paper does not state its schedule; the one here is ours, after Levin et al.
(CVPR 2011). One choice decides: each alternation begins with a Gaussian prior of constant precision. With the
precisions of the blurry gradients, as the paper's algorithm begins, flat pixels stay flat for ever.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient
from facedeblur.baselines.deconvolution.driver import CoarseToFine, gray
from facedeblur.baselines.deconvolution.fourier import valid_differences
from facedeblur.baselines.deconvolution.kernel_cleanup import normalised
from facedeblur.baselines.deconvolution.masked import MaskedConvolution
from facedeblur.baselines.deconvolution.sparse import add_adjoint_difference
from facedeblur.baselines.deconvolution.variational import GradientModel

FIRST_PRECISION, GREATEST_PRECISION = 400.0, 1e4  # a standard deviation of 0.05, and one of 0.01


class Babacan12(CoarseToFine):
    """Kernels and image by variational Bayes with the log prior.

    Args:
        device, side, chunk: see BlindDeblurrer.
        iterations: alternations of gradients and kernel, a level.
        rounds: of precision, mean and variance, an alternation.
        steps: of conjugate gradients for a mean.
        noise: standard deviation of the last alternation, of images in [0, 1].
        decay: by how much the noise is higher in each alternation before.
        final_steps: of conjugate gradients for the final image.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        iterations: int = 11,
        rounds: int = 5,
        steps: int = 15,
        noise: float = 0.01,
        decay: float = 1.15,
        final_steps: int = 100,
        chunk: int = 32,
    ) -> None:
        super().__init__(device, side, chunk)
        self.iterations, self.rounds, self.steps = iterations, rounds, steps
        self.noise, self.decay, self.final_steps = noise, decay, final_steps

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        """Equation 24: every channel with the precisions of the luminance's gradients."""
        gradients = GradientModel(valid_differences(gray(images)), kernels.shape[-1])
        gradients.set_kernel(kernels)
        precision = self._posterior(gradients, self.noise**2)[2]
        rows, columns = gradients.model.scene  # one less than the scene of the images, each way
        weight = self.noise**2 * precision[..., :rows, :columns]
        horizontal, vertical = F.pad(weight[:, :1], (0, 0, 0, 1)), F.pad(weight[:, 1:], (0, 1))
        model = MaskedConvolution(*images.shape[-2:], kernels.shape[-1], images)
        transfer = model.transfer(kernels)

        def apply(planes: Tensor) -> Tensor:
            image = model.normal(planes, transfer)
            scene, target = (t[..., : rows + 1, : columns + 1] for t in (planes, image))
            add_adjoint_difference(target, scene.diff(dim=-1).mul_(horizontal), -1)
            add_adjoint_difference(target, scene.diff(dim=-2).mul_(vertical), -2)
            return image

        right = model.adjoint(model.place(images), transfer)
        return model.crop(conjugate_gradient(apply, right, model.place_replicated(images), self.final_steps))

    def alternate(self, blurry: Tensor, kernel: Tensor) -> Tensor:
        gradients = GradientModel(valid_differences(blurry), kernel.shape[-1])
        for turn in range(self.iterations):
            gradients.set_kernel(kernel)
            noise = (self.noise * self.decay ** (self.iterations - 1 - turn)) ** 2
            mean, variance, _ = self._posterior(gradients, noise)
            kernel = normalised(gradients.kernel(mean, variance, kernel), kernel)
        return kernel

    def _posterior(self, gradients: GradientModel, noise: float) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, variance, and the precisions that they give (the first two were made with those before)."""
        mean, variances = gradients.data, gradients.data.new_full((1, 1, 1, 1), noise)
        precision = torch.full_like(mean, FIRST_PRECISION)
        for _ in range(self.rounds):
            mean = gradients.mean(variances, precision, mean, self.steps)
            variance = gradients.variance(variances, precision)
            precision = (mean.square() + variance).reciprocal_().clamp_max_(GREATEST_PRECISION)
        return mean, variance, precision
