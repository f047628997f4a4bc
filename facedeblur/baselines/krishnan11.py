"""Krishnan, Tay, Fergus: "Blind deconvolution using a normalized sparsity measure", CVPR 2011 (`krishnan11`).

    min  lambda / 2 |x * k - y|^2 + |x|_1 / |x|_2 + psi |k|_1,    k >= 0, sum of k = 1

over gradient images x, y (horizontal and vertical; each has a norm ratio of its own). The ratio is least for a sharp
image, where |x|_1 alone is least for a blurry one. Gradients take shrinkage steps with |x|_2 held, kernels one step of
reweighted conjugate gradients at a time, coarse to fine. Only the luminance is deconvolved in the end.

The authors released two versions, which differ in scale, weights and result: RELEASES.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.conjugate_gradient import ratio
from facedeblur.baselines.deconvolution.driver import BlindDeblurrer
from facedeblur.baselines.deconvolution.fourier import otf2psf, psf2otf, valid_differences
from facedeblur.baselines.deconvolution.kernel_cleanup import centring_shift, normalised, shifted
from facedeblur.baselines.deconvolution.masked import MaskedConvolution
from facedeblur.baselines.deconvolution.pyramid import apply_matrix, resize_matrix, starting_kernel
from facedeblur.baselines.deconvolution.split_bregman import split_bregman

STEP, LEAST_STEP = 1e-3, 1e-4  # of the shrinkage
COSTLIER = 3  # a latent step that makes the cost so many times higher is taken back, and tried with half the step
FLOOR = 1e-4  # of the taps in their reweighted norm


@dataclass(frozen=True)
class Release:
    """What differs between the authors' releases.

    Attributes:
        weight: lambda.
        kernel_weight: psi.
        coarsest: least side of the coarsest kernel, in pixels.
        norm: to which |.|_2 the gradients of a level are scaled; None for none.
        renormalised: x gets the norm of y after every shrinkage.
    """

    weight: float
    kernel_weight: float
    coarsest: int
    norm: float | None
    renormalised: bool


RELEASES = {
    "first": Release(weight=100.0, kernel_weight=0.0, coarsest=3, norm=6.0, renormalised=False),
    "later": Release(weight=250.0, kernel_weight=1.0, coarsest=5, norm=None, renormalised=True),
}


class Krishnan11(BlindDeblurrer):
    """Kernels from gradients of small normalised sparsity; the luminance by total variation.

    Args:
        device, side, chunk: see BlindDeblurrer.
        release: "first" (May 2011) or "later".
        weight: lambda, by default 30 for the first release (its own 100, which the authors tune by image, recovers
            kernels less well) and 250 for the later.
        iterations: of gradients and kernel, a level.
        final_weight: of the last step, see `split_bregman`.

    Raises:
        ValueError: another release.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        release: str = "first",
        weight: float | None = None,
        iterations: int = 21,
        final_weight: float = 3000.0,
        chunk: int = 32,
    ) -> None:
        super().__init__(device, side, chunk)
        if release not in RELEASES:
            raise ValueError(f"release must be one of {', '.join(RELEASES)}, got {release}")
        self.release, self.iterations, self.final_weight = RELEASES[release], iterations, final_weight
        self.weight = weight if weight is not None else 30.0 if release == "first" else self.release.weight

    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        sides = level_sides(side, self.release.coarsest)
        kernel, latent = starting_kernel(sides[0], blurry), None
        for here in sides:
            size = [max(3, math.floor(n * here / side)) for n in blurry.shape[-2:]]
            gradients = valid_differences(resized(blurry, size))
            latent = gradients if latent is None else resized(latent, gradients.shape[-2:])
            if kernel.shape[-1] != here:
                kernel = normalised(resized(kernel, (here, here)))
            kernel, latent = self._alternate(gradients, latent, kernel)
            offsets = centring_shift(kernel)
            kernel, latent = normalised(shifted(kernel, offsets), kernel), shifted(latent, -offsets)
        return kernel

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        from kornia.color import rgb_to_ycbcr, ycbcr_to_rgb

        luminance, chroma = rgb_to_ycbcr(images).split((1, 2), dim=1)
        luminance = split_bregman(luminance, kernels, self.final_weight)
        return ycbcr_to_rgb(torch.cat((luminance, chroma), dim=1))

    def _alternate(self, blurred: Tensor, latent: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        if self.release.norm is not None:
            blurred, latent = (with_norm(planes, self.release.norm) for planes in (blurred, latent))
        step = LatentStep(blurred, kernel.shape[-1], self.weight, self.release.renormalised)
        x = step.model.place(latent)
        for _ in range(self.iterations):
            x = step(x, kernel)
            kernel = kernel_step(step.model, x, step.blurred, kernel, self.release.kernel_weight)
        return kernel, step.model.crop(x)


class LatentStep:
    """Gradients for a kernel: shrinkage with the data's weight lambda |x|_2, for one level of a batch.

    blurred: (B, 2, h, w). side: of the kernels. The step of the shrinkage halves, for an image by itself and for good,
    where it made the cost more than 3 times higher. Convolutions see zeros outside the gradients.
    """

    def __init__(self, blurred: Tensor, side: int, weight: float, renormalised: bool) -> None:
        self.model = MaskedConvolution(*blurred.shape[-2:], side, blurred)
        self.blurred, self.weight = self.model.place(blurred), weight
        self.norm = _norm(self.blurred) if renormalised else None
        self.step = blurred.new_full((len(blurred), 1, 1, 1), STEP)

    def __call__(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The next gradients on the model's grid, from x (B, 2, *size), zero outside the data's place."""
        transfer = self.model.transfer(kernel)
        residual = self.blurred - self.model.forward(x, transfer)
        before = self.cost(x, residual)
        trying = self.step > LEAST_STEP
        while bool(trying.any()):
            tried, missed = self._shrink(x, residual, transfer)
            worse = self.cost(tried, missed) > COSTLIER * before
            x = torch.where(trying & ~worse, tried, x)
            self.step = torch.where(trying & worse, self.step / 2, self.step)
            trying = trying & worse & (self.step > LEAST_STEP)
        return x

    def cost(self, x: Tensor, residual: Tensor) -> Tensor:
        """lambda / 2 |residual|^2 + the sum of both |x|_1 / |x|_2, (B, 1, 1, 1)."""
        sparsity = ratio(x.abs().sum((-2, -1), keepdim=True), _norm(x))
        return self.weight / 2 * residual.square().sum((1, 2, 3), keepdim=True) + sparsity.sum(1, keepdim=True)

    def _shrink(self, x: Tensor, residual: Tensor, transfer: Tensor) -> tuple[Tensor, Tensor]:
        """Two times two shrinkages, the norm held for two; and y - x * k for their result."""
        for _ in range(2):
            rate = self.weight * self.step * _norm(x)
            for _ in range(2):
                x = torch.addcmul(x, rate, self.model.adjoint(residual, transfer)).mul_(self.model.mask)
                x = x - torch.maximum(torch.minimum(x, self.step), -self.step)
                if self.norm is not None:
                    x = x * ratio(self.norm, _norm(x))
                residual = self.blurred - self.model.forward(x, transfer)
        return x, residual


def kernel_step(model: MaskedConvolution, x: Tensor, blurred: Tensor, kernel: Tensor, weight: float) -> Tensor:
    """One exact step down the gradient of |x * k - y|^2 + weight * sum k^2 / max(|k|, 1e-4), then k >= 0, sum 1.

    Only those y count that depend on no x outside the data's place. Where nothing is left of a kernel it stays.
    """
    spectra, size = torch.fft.rfft2(x), model.size
    inner = torch.zeros_like(model.mask)
    (height, width), margin = model.image, model.margin
    inner[..., 2 * margin : height, 2 * margin : width] = 1
    diagonal = weight / kernel.abs().clamp_min(FLOOR)

    def blur(taps: Tensor) -> Tensor:
        return inner * torch.fft.irfft2(spectra * psf2otf(taps, size), s=size)

    def gather(data: Tensor) -> Tensor:
        return otf2psf((spectra.conj() * torch.fft.rfft2(data)).sum(1, keepdim=True), size, model.side)

    residual = gather(inner * blurred - blur(kernel)) - diagonal * kernel
    image = gather(blur(residual)) + diagonal * residual
    step = ratio(_dot(residual, residual), _dot(residual, image))
    return normalised(kernel + step * residual, kernel)


def level_sides(side: int, coarsest: int) -> list[int]:
    """Odd kernel sides of the levels, coarsest first, each about sqrt(2) times the one before; the last is `side`."""
    sides, here = [], max(coarsest, 2 * ((side - 1) // 16) + 1)
    while here < side:
        sides.append(here)
        here = math.ceil(math.sqrt(2) * here)
        here += here % 2 == 0
    return [*sides, side]


def resized(planes: Tensor, size) -> Tensor:
    """Planes (..., H, W) at another size, bilinear, antialiased where it is smaller (MATLAB's imresize)."""
    for dim, after in zip((-2, -1), size, strict=True):
        before = planes.shape[dim]
        planes = apply_matrix(planes, resize_matrix(before, after, after / before, antialias=True), dim)
    return planes


def with_norm(planes: Tensor, norm: float) -> Tensor:
    """Every plane scaled to this l2 norm; a plane of zeros stays one."""
    return planes * ratio(torch.full_like(_norm(planes), norm), _norm(planes))


def _norm(planes: Tensor) -> Tensor:
    return planes.square().sum((-2, -1), keepdim=True).sqrt()


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2, 3), keepdim=True)
