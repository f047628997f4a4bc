"""Deconvolution under the expected patch log likelihood: the image all of whose patches are probable.

Zoran and Weiss, ICCV 2011, section 3: half-quadratic splitting between the image and its overlapping 8x8 patches, the
patches restored by a mixture of Gaussians (patch_prior.py).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.boundary import crop, edge_taper, replicate
from facedeblur.baselines.deconvolution.conjugate_gradient import conjugate_gradient
from facedeblur.baselines.deconvolution.fourier import squared_modulus
from facedeblur.baselines.deconvolution.masked import MaskedConvolution
from facedeblur.baselines.deconvolution.paired_fft import filter_planes
from facedeblur.baselines.deconvolution.patch_prior import PIXELS, SIDE, PatchPrior

WEIGHTS = tuple(50.0 * 2**step for step in range(7))  # beta of equation 3, rising


@torch.no_grad()
def epll(
    images: Tensor,
    kernels: Tensor,
    noise: Tensor,
    prior: PatchPrior,
    weights: tuple[float, ...] = WEIGHTS,
    stride: int = 1,
    iterations: int = 12,
) -> Tensor:
    """Images deconvolved with their kernels under a prior of patches, every channel by itself.

    What the border saw of the scene beyond it is restored as well, from the image replicated and tapered, and cropped.

    Args:
        images: (B, C, H, W) in [0, 1].
        kernels: (B, 1, side, side).
        noise: (B,) standard deviation in the blurry images.
        prior: of patches of 8x8 pixels.
        weights: of the patches, one round each.
        stride: of the patches; the authors take all.
        iterations: of the image step's conjugate gradients.

    Returns:
        (B, C, H, W), not clamped.
    """
    height, width = images.shape[-2:]
    model = MaskedConvolution(height, width, kernels.shape[-1], images)
    transfer = model.transfer(kernels)
    prior = prior.to(images)
    start = _tapered(images, model.margin)
    right = model.adjoint(model.place(crop(start, model.margin)), transfer)
    # equation 4, divided by the data's weight, 64 / noise²
    ratio = noise.to(images).square().view(-1, 1, 1, 1) / PIXELS
    below, beside = (whole - part for whole, part in zip(model.size, model.scene, strict=True))
    scene = F.pad(torch.ones_like(start[:1, :1]), (0, beside, 0, below))  # 1 where something is to be restored
    counts = F.pad(_together(_patches(torch.ones_like(start[:1, :1]), stride), model.scene, stride),
                   (0, beside, 0, below))  # fmt: skip
    power = squared_modulus(transfer)
    latent = F.pad(start, (0, beside, 0, below))
    for weight in weights:
        patches = _patches(latent[..., : model.scene[0], : model.scene[1]], stride)
        flat = patches.mT.reshape(-1, PIXELS)
        restored = prior.restore(flat, torch.as_tensor(weight**-0.5).to(images))
        restored = restored.view(len(patches), -1, PIXELS).mT
        summed = _together(restored, model.scene, stride).view(*images.shape[:2], *model.scene)
        pull = ratio * weight * stride**2  # as if all patches were there
        # for a periodic scene this would be the solution
        inverse = (power + pull * PIXELS / stride**2).reciprocal().to(transfer.dtype)
        latent = conjugate_gradient(
            lambda x, pull=pull: model.normal(x, transfer) + pull * counts * x,
            right * scene + pull * F.pad(summed, (0, beside, 0, below)),
            latent,
            iterations,
            lambda residual, inverse=inverse: scene * filter_planes(residual, inverse),
        )
    return model.crop(latent)


def _tapered(images: Tensor, margin: int) -> Tensor:
    """The images with `margin` replicated pixels all around, blended into their blur towards the border."""
    if margin == 0:
        return images
    places = torch.arange(-margin, margin + 1, dtype=images.dtype, device=images.device)
    bell = (-0.5 * (places / margin).square()).exp()
    window = torch.outer(bell, bell)
    return edge_taper(replicate(images, margin), (window / window.sum())[None, None], times=4)


def _patches(images: Tensor, stride: int) -> Tensor:
    """All patches of every channel: (B, C, H, W) -> (B * C, 64, number)."""
    images = images.flatten(0, 1)[:, None]
    if stride == 1:
        return F.unfold(images, SIDE)
    return F.unfold(_grown(images, stride), SIDE, stride=stride)


def _together(patches: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """The sum of patches in their places: (N, 64, number) -> (N, 1, H, W); the transpose of `_patches`."""
    grown = [side + (SIDE - side) % stride for side in size]
    return F.fold(patches, grown, SIDE, stride=stride)[..., : size[0], : size[1]]


def _grown(images: Tensor, stride: int) -> Tensor:
    """The images with as many replicated rows and columns that patches at `stride` cover all."""
    below, right = ((SIDE - side) % stride for side in images.shape[-2:])
    return F.pad(images, (0, right, 0, below), mode="replicate")
