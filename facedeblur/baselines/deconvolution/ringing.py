"""The last image, with a kernel that is known: total variation, and ringing removed by a second, L0 image.

Pan et al., CVPR 2014, section 4.2 ("Artifacts removal"), as in the authors' code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.boundary import wrap_boundary, wrapped_size
from facedeblur.baselines.deconvolution.fourier import differences, divergence
from facedeblur.baselines.deconvolution.halfquadratic import QuadraticStep
from facedeblur.baselines.deconvolution.l0 import sparse_gradients


def total_variation(problem: QuadraticStep, blurry: Tensor, weight: float) -> Tensor:
    """min |S * k - B|² + weight |grad S|_1 (anisotropic), by half-quadratic splitting from S = blurry.

    problem: for `blurry` (B, C, H, W), its kernel set. The penalty beta halves from 1 / weight down to 0.001.
    """
    latent, beta = blurry, 1 / weight
    while beta > 0.001:
        shrunk = [F.softshrink(gradient, beta * weight) for gradient in differences(latent)]
        latent = problem.solve(divergence(*shrunk), 1 / (2 * beta))
        beta /= 2
    return latent


def remove_ringing(
    blurry: Tensor, kernel: Tensor, tv_weight: float = 0.002, l0_weight: float = 5e-4, strength: float = 1.0
) -> Tensor:
    """Deconvolution by total variation, less the ringing that an L0 solution does not have.

    Args:
        blurry: (B, C, H, W) in [0, 1], C 1 or 3.
        kernel: (B, 1, side, side).
        tv_weight, l0_weight: of the priors of the two solutions.
        strength: weight with which the difference of the two, smoothed by a bilateral filter, is subtracted.

    Returns:
        (B, C, H, W), not clamped.
    """
    height, width = blurry.shape[-2:]
    wrapped = wrap_boundary(blurry, wrapped_size((height, width), kernel.shape[-1]))
    problem = QuadraticStep(wrapped)
    problem.set_kernel(kernel)
    detailed = total_variation(problem, wrapped, tv_weight)[..., :height, :width]
    if strength == 0:
        return detailed
    plain = sparse_gradients(problem, wrapped, l0_weight)[..., :height, :width]
    return detailed - strength * bilateral(detailed - plain)


def bilateral(image: Tensor, radius: int = 9, sigma_space: float = 3.0, sigma_range: float = 0.1) -> Tensor:
    """Bilateral filter over a square window, the border replicated.

    image: (B, C, H, W), C 1 or 3. For RGB the distance of values is that in CIE Lab, divided by 100; values outside
    [0, 1] are clamped for it alone.
    """
    height, width = image.shape[-2:]
    values = F.pad(image, (radius, radius, radius, radius), mode="replicate")
    guide = _lab(values) / 100 if image.shape[1] == 3 else values
    guide = guide * (1 / (math.sqrt(2) * sigma_range))
    centre = guide[..., radius : radius + height, radius : radius + width]
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:, :1])
    for dy in range(2 * radius + 1):
        for dx in range(2 * radius + 1):
            window = (..., slice(dy, dy + height), slice(dx, dx + width))
            near = ((dy - radius) ** 2 + (dx - radius) ** 2) / (2 * sigma_space**2)
            weight = (guide[window] - centre).square_().sum(1, keepdim=True).add_(near).neg_().exp_()
            total.addcmul_(values[window], weight)
            weights.add_(weight)
    return total / weights


def _lab(image: Tensor) -> Tensor:
    from kornia.color import rgb_to_lab

    return rgb_to_lab(image.clamp(0, 1))
