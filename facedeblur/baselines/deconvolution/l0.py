"""Latent images under L0 priors: few gradients, and few pixels that are not black (text) or few dark patches that are
not black (dark channel).

Pan et al., "Deblurring text images via L0-regularized intensity and gradient prior", CVPR 2014 (section 3), and "Blind
image deblurring using dark channel prior", CVPR 2016 (section 4), after Xu et al., "Image smoothing via L0 gradient
minimization", SIGGRAPH Asia 2011.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.boundary import wrap_boundary, wrapped_size
from facedeblur.baselines.deconvolution.fourier import differences, divergence
from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep

BETA_MAX = 1e5  # of the gradients' weight
GAMMA_MAX = 8.0  # of the pixels' weight
GROWTH = 2.0  # of both, from solve to solve

# (S, weight / gamma (B, 1, 1, 1)) -> u, S with those pixels black that cost more than they help
Projection = Callable[[Tensor, Tensor], Tensor]


class LatentStep:
    """Latent images of one batch of blurry images, for any number of kernels and weights.

    blurry: (B, C, H, W); the channels share their gradients' support. side: of the kernels.
    """

    def __init__(self, blurry: Tensor, side: int) -> None:
        self.height, self.width = blurry.shape[-2:]
        self.wrapped = wrap_boundary(blurry, wrapped_size((self.height, self.width), side))
        self.problem = QuadraticStep(self.wrapped)

    def gradients(self, kernel: Tensor, weight: float) -> Tensor:
        """min |S * k - B|² + weight |grad S|_0, the same size as the blurry images."""
        self.problem.set_kernel(kernel)
        return self._cropped(sparse_gradients(self.problem, self.wrapped, weight))

    def gradients_and_pixels(
        self, kernel: Tensor, weight: float, pixel_weight: float, project: Projection, start: Tensor | float
    ) -> Tensor:
        """The same + pixel_weight |pixels|_0, where `project` says which pixels.

        start: of the pixels' weight gamma, a number or one per image (B, 1, 1, 1). It doubles while below 8; an image
        that is there before others keeps its S.
        """
        self.problem.set_kernel(kernel)
        latent = self.wrapped
        gamma = torch.as_tensor(start, dtype=latent.dtype, device=latent.device).expand(len(latent), 1, 1, 1)
        while bool((active := gamma < GAMMA_MAX).any()):
            self.problem.set_pull(project(latent, pixel_weight / gamma), gamma)
            made = sparse_gradients(self.problem, latent, weight)
            latent = made if bool(active.all()) else torch.where(active, made, latent)
            gamma = gamma * GROWTH
        return self._cropped(latent)

    def _cropped(self, latent: Tensor) -> Tensor:
        return latent[..., : self.height, : self.width]


def sparse_gradients(problem: QuadraticStep, latent: Tensor, weight: float) -> Tensor:
    """Half-quadratic minimisation of weight |grad S|_0 from S = latent: beta doubles from 2 weight to 1e5."""
    beta = 2 * weight
    while beta < BETA_MAX:
        horizontal, vertical = differences(latent)
        magnitude = horizontal.square().addcmul_(vertical, vertical)
        if magnitude.shape[1] > 1:
            magnitude = magnitude.sum(1, keepdim=True)
        kept = magnitude.ge_(weight / beta)  # in place gives 0 and 1 as floats, without the slow way over bool
        latent = problem.solve(divergence(horizontal.mul_(kept), vertical.mul_(kept)), beta)
        beta *= GROWTH
    return latent


def black_pixels(latent: Tensor, bound: Tensor) -> Tensor:
    """Pixels whose square is below the bound become zero (the text prior)."""
    return latent.square().ge_(bound).mul_(latent)


class DarkChannel:
    """The pixels that are the darkest of a patch become zero where their square is below the bound.

    In the closed form: the darkest pixels are those that the opening by the patch (a minimum filter, then a maximum
    filter) leaves as they are. Equal to zeroing every minimum of every patch; the authors' loop zeroes one pixel a
    patch, in an order. A band of half a patch along the border keeps its values, as there.

    patch: side in pixels, odd.
    """

    def __init__(self, patch: int = 35) -> None:
        self.patch = patch

    def __call__(self, latent: Tensor, bound: Tensor) -> Tensor:
        """latent: (B, 1, H, W)."""
        margin, (height, width) = self.patch // 2, latent.shape[-2:]
        if min(height, width) <= 2 * margin:
            return latent
        zeroed = opening(latent, self.patch).eq_(latent).mul_(latent.square().lt_(bound))
        inside = (..., slice(margin, height - margin), slice(margin, width - margin))
        result = latent.clone()
        result[inside] *= 1 - zeroed[inside]
        return result


def opening(image: Tensor, patch: int) -> Tensor:
    """Grey opening of (B, C, H, W) by a square of odd side `patch`, with the border replicated."""
    least = -_running_max(_running_max(-_replicated(image, patch), patch, -1), patch, -2)
    return _running_max(_running_max(_replicated(least, patch), patch, -1), patch, -2)


def _replicated(image: Tensor, patch: int) -> Tensor:
    margin = patch // 2
    return F.pad(image, (margin, margin, margin, margin), mode="replicate")


def _running_max(image: Tensor, length: int, dim: int) -> Tensor:
    """The maximum of every `length` neighbours along `dim`, by doubling: log2(length) passes."""
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        size = image.shape[dim] - step
        image = torch.maximum(image.narrow(dim, 0, size), image.narrow(dim, step, size))
        reach += step
    return image


def otsu(image: Tensor) -> Tensor:
    """Otsu's threshold of every image (B, 1, H, W) with values in [0, 1], in 256 levels, as a fraction: (B, 1, 1, 1).

    As MATLAB's graythresh: the mean of the levels that part the image best, over 255; zero for a constant image.
    """
    levels = (image.clamp(0, 1) * 255).round().long().flatten(1)
    counts = torch.zeros(len(image), 256, dtype=torch.float64, device=image.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float64))
    share = counts / levels.shape[1]
    omega = share.cumsum(1)
    mean = (share * torch.arange(1, 257, dtype=torch.float64, device=image.device)).cumsum(1)
    between = (mean[:, -1:] * omega - mean).square() / (omega * (1 - omega))
    between = torch.where(torch.isfinite(between), between, torch.full_like(between, -1))
    best = between.amax(1, keepdim=True)
    at_best = (between == best).double()
    level = (at_best * torch.arange(256, dtype=torch.float64, device=image.device)).sum(1) / at_best.sum(1)
    level = torch.where(best[:, 0] > 0, level / 255, torch.zeros_like(level))
    return level.to(image.dtype)[:, None, None, None]
