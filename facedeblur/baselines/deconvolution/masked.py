"""The masked convolution model: what a camera sees of a scene that goes on beyond the frame.

A blurry image of h x w pixels depends on (h + side - 1) x (w + side - 1) pixels of the scene. The unknown is this
larger image, on a circular grid that holds it, and the data are compared only where they exist: y = M (k * x) with a
mask M of zeros and ones (Levin et al., CVPR 2011). No border is made up, so that none rings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.fourier import around_origin, good_size, psf2otf
from facedeblur.baselines.deconvolution.paired_fft import filter_planes, pair, transfer_function, unpair


class MaskedConvolution:
    """The model y = M (k * x) for blurry images of `height` x `width` and square kernels of odd `side`.

    Attributes: `scene`, the size of what the data depend on; `size`, that of the grid, fast to transform (no datum sees
    its pixels beyond the scene); `mask` (1, 1, *size), 1 where there are data.
    """

    def __init__(self, height: int, width: int, side: int, like: Tensor) -> None:
        self.side, self.margin = side, side // 2
        self.image = (height, width)
        self.scene = (height + side - 1, width + side - 1)
        self.size = tuple(good_size(n) for n in self.scene)
        self.mask = self.place(like.new_ones(1, 1, height, width))
        self._mask_of_pairs = torch.complex(self.mask, torch.zeros_like(self.mask))
        self._seen = torch.fft.rfft2(self.mask)

    def place(self, images: Tensor) -> Tensor:
        """Images of the data's size in their place on the grid, zeros around them."""
        (height, width), (rows, columns), margin = self.image, self.size, self.margin
        return F.pad(images, (margin, columns - width - margin, margin, rows - height - margin))

    def place_replicated(self, images: Tensor) -> Tensor:
        """Images of the data's size in their place, their border pixels repeated all around."""
        (height, width), (rows, columns), margin = self.image, self.size, self.margin
        return F.pad(images, (margin, columns - width - margin, margin, rows - height - margin), mode="replicate")

    def crop(self, planes: Tensor) -> Tensor:
        """The part of the grid where there are data."""
        (height, width), margin = self.image, self.margin
        return planes[..., margin : margin + height, margin : margin + width]

    def transfer(self, kernels: Tensor) -> Tensor:
        """The spectra of kernels (B, 1, side, side), for the three functions below."""
        return transfer_function(kernels, self.size)

    def forward(self, planes: Tensor, transfer: Tensor) -> Tensor:
        """M (k * x), (B, C, *size)."""
        return self.mask * filter_planes(planes, transfer)

    def adjoint(self, data: Tensor, transfer: Tensor) -> Tensor:
        """The correlation of k with data that are zero outside the mask: the adjoint of `forward` there."""
        return filter_planes(data, transfer.conj())

    def normal(self, planes: Tensor, transfer: Tensor) -> Tensor:
        """Adjoint after forward."""
        if planes.shape[-3] == 1:
            return self.adjoint(self.forward(planes, transfer), transfer)
        pairs = torch.fft.fft2(pair(planes)).mul_(transfer)
        pairs = torch.fft.fft2(torch.fft.ifft2(pairs).mul_(self._mask_of_pairs)).mul_(transfer.conj())
        return unpair(torch.fft.ifft2(pairs), planes.shape[-3])

    def visibility(self, kernels: Tensor) -> Tensor:
        """The diagonal of `normal`, (B, 1, *size): the squared norm of the kernel as far as data see each pixel."""
        squared = psf2otf(kernels.square(), self.size)
        return torch.fft.irfft2(squared.conj() * self._seen, s=self.size).clamp(min=0)

    def window_sums(self, planes: Tensor) -> Tensor:
        """For every tap of a kernel the sum of `planes` over the pixels that it weighs, (B, C, side, side)."""
        return self.correlate(planes, self._seen)

    def correlate(self, planes: Tensor, spectra: Tensor) -> Tensor:
        """The inner products of data, given by their half spectra, with `planes` shifted by every tap."""
        return around_origin(torch.fft.irfft2(torch.fft.rfft2(planes).conj() * spectra, s=self.size), self.side)
