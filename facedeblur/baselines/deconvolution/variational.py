"""Variational Bayes for blind deconvolution of gradients: what Babacan et al. and Zhang et al. have in common.

The gradients y of the blurry image are M (k * x) plus noise of variance s; each unknown gradient x(i) has a Gaussian
prior of precision p(i), which its method adapts. The posterior of x is taken for independent Gaussians:

    mean       (H'H / s + diag p) x = H'y / s           H: convolution with k, then the mask M
    variance   z(i) = 1 / (visibility(i) / s + p(i))     visibility: the diagonal of H'H

and the kernel is the k >= 0 of least E|y - Hx|^2 = |y - Hx|^2 + sum k(j)^2 z(i), over all i that tap j weighs. The last
term is what keeps kernels from a single tap: a sharp x must be known for sure to be worth its data.
"""

from __future__ import annotations

from torch import Tensor

from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient
from facedeblur.baselines.deconvolution.gram import correlations, gram_matrix, nonnegative_quadratic
from facedeblur.baselines.deconvolution.masked import MaskedConvolution


class GradientModel:
    """The three steps for the gradients (B, 2, h, w) of one batch of blurry images, and kernels of odd `side`.

    `data` are the gradients on the grid of `model`, on which means, variances and precisions live: (B, 2, *model.size).
    Noise variances are (B, 1, 1, 1).
    """

    def __init__(self, blurred: Tensor, side: int) -> None:
        self.model = MaskedConvolution(*blurred.shape[-2:], side, blurred)
        self.data = self.model.place(blurred)
        self.count = blurred[0].numel()

    def set_kernel(self, kernel: Tensor) -> None:
        """Mean, variance and misfit are for this kernel (B, 1, side, side) from now on."""
        self._transfer = self.model.transfer(kernel)
        self._visibility = self.model.visibility(kernel)
        self._right = self.model.adjoint(self.data, self._transfer)

    def mean(self, noise: Tensor, precision: Tensor, start: Tensor, iterations: int) -> Tensor:
        """The posterior mean, by conjugate gradients from `start`."""
        weight = noise * precision  # the system times the noise's variance

        def apply(planes: Tensor) -> Tensor:
            return self.model.normal(planes, self._transfer).addcmul_(weight, planes)

        return conjugate_gradient(apply, self._right, start, iterations)

    def variance(self, noise: Tensor, precision: Tensor) -> Tensor:
        """The posterior variance of every gradient by itself."""
        return noise / (self._visibility + noise * precision)

    def misfit(self, mean: Tensor, variance: Tensor) -> Tensor:
        """The expected |y - Hx|^2, (B, 1, 1, 1)."""
        residual = self.data - self.model.forward(mean, self._transfer)
        expected = residual.square().sum((1, 2, 3), keepdim=True)
        return expected + (self._visibility * variance).sum((1, 2, 3), keepdim=True)

    def kernel(self, mean: Tensor, variance: Tensor, start: Tensor) -> Tensor:
        """The kernel (B, 1, side, side) of least expected |y - Hx|^2; nonnegative, of any sum."""
        matrix = gram_matrix(self.model, mean)
        matrix.diagonal(dim1=-2, dim2=-1).add_(self.model.window_sums(variance).sum(1).flatten(1))
        right = correlations(self.model, mean, self.data)
        return nonnegative_quadratic(matrix, right, start.flatten(1)).view_as(start)
