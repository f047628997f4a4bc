"""A kernel from one estimate of the sharp image, sparse by an L1 norm (Chakrabarti, ECCV 2016, section 3.4).

Minimises  sum_f |(f * x) * k - f * y|² + reg |k|_1  over filters f, first and second derivatives of a Gaussian in
eight orientations, f * x being kept only where it is largest. Half-quadratic splitting with a rising weight solves it
for several `reg` at once; the kernel that explains the derivatives best is kept.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.boundary import edge_taper
from facedeblur.baselines.deconvolution.fourier import convolve, otf2psf, psf2otf, squared_modulus
from facedeblur.baselines.deconvolution.kernel_cleanup import drop_faint, drop_islands, normalised

ORIENTATIONS = 8
REGULARISERS = tuple(2 ** (6 + step / 4) for step in range(9))
OCTAVES = (-4, 32)  # of the splitting's weight
STEPS = 16  # of it an octave
# The paper keeps the derivatives of 2 % of its million pixels. Of a small image 2 % would explain too little of the
# blurry one: as many are kept as there, but no more than 30 %, and the L1 norm weighs less where fewer are.
KEPT_PIXELS, MOST_KEPT, LEAST_KEPT = 16384, 0.3, 0.02


def derivatives(images: Tensor) -> Tensor:
    """Derivatives of a Gaussian of sigma 1, (B, 1, H, W) -> (B, 16, H - 10, W - 10): first eight first, then second."""
    reach = torch.arange(-5, 6, dtype=images.dtype, device=images.device)
    bell = (-(reach**2) / 2).exp()
    smooth, first, second = bell / bell.norm(), reach * bell, (reach**2 - 1) * bell
    length = second.norm()
    filters = [
        *(torch.outer(smooth, first / first.norm()), torch.outer(first / first.norm(), smooth)),  # along x, along y
        *(torch.outer(smooth, second / length), torch.outer(second / length, smooth)),
        torch.outer(first, first) / (length * bell.norm()),  # mixed
    ]
    # both filter and angle follow the convolution of the paper's code: every filter is turned by 180 degrees
    x, y, xx, yy, xy = F.conv2d(images, torch.stack(filters).flip(-2, -1)[:, None]).unbind(1)
    found = []
    for turn in range(ORIENTATIONS):
        cos, sin = math.cos(math.pi * turn / ORIENTATIONS), math.sin(math.pi * turn / ORIENTATIONS)
        found.append((cos * x + sin * y, cos**2 * xx + sin**2 * yy + 2 * cos * sin * xy))
    return torch.stack([pair[0] for pair in found] + [pair[1] for pair in found], dim=1)


def sparse_kernel(
    blurry: Tensor,
    estimate: Tensor,
    side: int,
    regularisers: tuple[float, ...] = REGULARISERS,
    steps: int = STEPS,
) -> Tensor:
    """Kernels that blur an estimate of the sharp image into the blurry one.

    An image without anything that varies gets a single tap.

    Args:
        blurry, estimate: (B, 1, H, W) in [0, 1], of at least side + 11 pixels each way.
        side: of the kernels in pixels, odd.
        regularisers: weights of the L1 norm to choose from, for 16,384 kept pixels.
        steps: of the splitting's weight an octave.

    Returns:
        (B, 1, side, side), of sum 1.
    """
    observed, sharp, kept = _tapered(blurry, estimate, side)
    size = (observed.shape[-2], observed.shape[-1])
    observed, sharp = torch.fft.rfft2(observed), torch.fft.rfft2(sharp)
    power = squared_modulus(sharp).sum(1, keepdim=True)  # (B, 1, h, w)
    product = (sharp.conj() * observed).sum(1, keepdim=True)
    reg = blurry.new_tensor(regularisers).view(1, -1, 1, 1) * (kept / KEPT_PIXELS)
    start = otf2psf(product / (power + torch.finfo(power.dtype).eps), size, side)
    kernels = start.expand(-1, reg.shape[1], -1, -1)
    for step in range((OCTAVES[1] - OCTAVES[0]) * steps + 1):
        beta = 2.0 ** (OCTAVES[0] + step / steps)
        spectrum = psf2otf(kernels, size)
        kernels = otf2psf((product + beta * spectrum) / (power + beta), size, side)
        kernels = kernels.sign() * (kernels.abs() - reg / beta).clamp_min(0)
    shape = kernels.shape
    kernels = normalised(drop_faint(kernels.reshape(-1, 1, side, side), 1e-3))
    kernels = normalised(drop_islands(kernels), kernels).view(shape)
    # |K x - y|² summed over filters, without their (B, regularisers, filters, h, w) residuals
    spectrum = psf2otf(kernels, size)
    error = squared_modulus(spectrum) * power - 2 * (spectrum.conj() * product).real
    best = _both_halves(error, size[1]).sum((-2, -1)).argmin(dim=1)
    return kernels.gather(1, best.view(-1, 1, 1, 1).expand(-1, 1, side, side))


def residual(blurry: Tensor, estimate: Tensor, kernels: Tensor) -> Tensor:
    """Root mean square (B,) of estimate * kernel - blurry, where the kernel fits in."""
    margin = kernels.shape[-1] // 2
    inside = blurry[..., margin : blurry.shape[-2] - margin, margin : blurry.shape[-1] - margin]
    return (convolve(estimate, kernels, "valid") - inside).square().mean((1, 2, 3)).sqrt()


def _tapered(blurry: Tensor, estimate: Tensor, side: int) -> tuple[Tensor, Tensor, int]:
    """Derivatives of both, those of the estimate where they are largest, all tapered for the Fourier transform.

    Also the number of pixels they are kept at.
    """
    observed, sharp = derivatives(blurry), derivatives(estimate)
    strength = sharp.square().sum(1, keepdim=True)
    flat = strength.flatten(1)
    kept = round(min(max(KEPT_PIXELS / flat.shape[1], LEAST_KEPT), MOST_KEPT) * flat.shape[1])
    bound = flat.sort(dim=1).values[:, -kept - 1].view(-1, 1, 1, 1)
    sharp = torch.where(strength > bound, sharp, torch.zeros_like(sharp))
    width = side // 2 | 1
    places = torch.arange(width, dtype=blurry.dtype, device=blurry.device) - (width - 1) / 2
    bell = (-0.5 * (places / (width / 6)).square()).exp()
    window = torch.outer(bell, bell)
    window = (window / window.sum())[None, None]
    # edge_taper limits values by the extremes of an image: every derivative is an image of its own here
    observed, sharp = (edge_taper(f.flatten(0, 1)[:, None], window, 4).view_as(f) for f in (observed, sharp))
    return observed, sharp, kept


def _both_halves(spectrum: Tensor, width: int) -> Tensor:
    """Values on the half plane of rfft2, the columns that stand for two counted twice."""
    twice = torch.full((spectrum.shape[-1],), 2.0, dtype=spectrum.dtype, device=spectrum.device)
    twice[0] = 1
    if width % 2 == 0:
        twice[-1] = 1
    return spectrum * twice
