"""Borders: an image made periodic by a smooth filling (Liu and Jia, ICIP 2008), tapered edges, replicated edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.fourier import circular_convolve, good_size, squared_modulus


def wrapped_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Size for `wrap_boundary`: at least side - 1 more rows and columns, and fast to transform."""
    return good_size(size[0] + side - 1), good_size(size[1] + side - 1)


def wrap_boundary(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The image, grown at the bottom and at the right to `size` so that it is smooth when repeated periodically.

    The strip below solves Laplace's equation between the last and the first row, the strip at the right between the
    last and the first column, the corner between the edges of the two (Liu and Jia, "Reducing boundary artifacts in
    image deconvolution", ICIP 2008, in the form of Cho's code).

    image: (B, C, H, W). size: (H', W'), H' >= H and W' >= W. Returns (B, C, H', W') of the image's type.
    """
    height, width = image.shape[-2:]
    rows, columns = size[0] - height, size[1] - width
    values = image.double()
    below = _fill_below(values[..., -1, :], values[..., 0, :], rows)
    right = _fill_below(values[..., :, -1], values[..., :, 0], columns).mT
    # The corner's four sides, each with the pixels of the image's own corners at its ends.
    corner = values.new_zeros(*values.shape[:-2], rows + 2, columns + 2)
    corner[..., 0, :] = torch.cat((values[..., -1:, -1], right[..., -1, :], values[..., -1:, 0]), dim=-1)
    corner[..., -1, :] = torch.cat((values[..., :1, -1], right[..., 0, :], values[..., :1, 0]), dim=-1)
    corner[..., 1:-1, 0] = below[..., :, -1]
    corner[..., 1:-1, -1] = below[..., :, 0]
    corner = laplace(corner)[..., 1:-1, 1:-1]
    top = torch.cat((image, right.to(image)), dim=-1)
    return torch.cat((top, torch.cat((below, corner), dim=-1).to(image)), dim=-2)


def _fill_below(last: Tensor, first: Tensor, rows: int) -> Tensor:
    """`rows` rows that lead from the row `last` (..., W) to the row `first`: (..., rows, W)."""
    weight = torch.linspace(0, 1, rows + 2, dtype=last.dtype, device=last.device)[:, None]
    strip = last.new_zeros(*last.shape[:-1], rows + 2, last.shape[-1])
    strip[..., 0, :], strip[..., -1, :] = last, first
    for column in (0, -1):
        ends = strip[..., :, column : strip.shape[-1] if column else 1]
        ends.copy_((1 - weight) * last[..., None, column, None] + weight * first[..., None, column, None])
    return laplace(strip)[..., 1:-1, :]


def laplace(boundary: Tensor) -> Tensor:
    """Solves Laplace's equation (5-point stencil) inside the given border values.

    boundary: (..., H, W), of which only the outermost rows and columns are read. Returns it with the inside filled.
    """
    height, width = boundary.shape[-2:]
    if height < 3 or width < 3:
        return boundary
    edge = boundary.clone()
    edge[..., 1:-1, 1:-1] = 0
    inside = edge[..., 1:-1, 1:-1]
    source = -(edge[..., :-2, 1:-1] + edge[..., 2:, 1:-1] + edge[..., 1:-1, :-2] + edge[..., 1:-1, 2:])
    spectrum = sine_transform(sine_transform(source).mT).mT
    rows = torch.arange(1, height - 1, dtype=edge.dtype, device=edge.device)
    columns = torch.arange(1, width - 1, dtype=edge.dtype, device=edge.device)
    spectrum /= (2 * torch.cos(math.pi * rows / (height - 1)) - 2)[:, None] + (
        2 * torch.cos(math.pi * columns / (width - 1)) - 2
    )
    # the transform is its own inverse up to this factor
    inside.copy_(sine_transform(sine_transform(spectrum).mT).mT / (4 * (height - 1) * (width - 1)))
    return edge


def sine_transform(values: Tensor) -> Tensor:
    """The DST-I along the last axis, unnormalised: as scipy.fft.dst(values, type=1)."""
    zero = torch.zeros_like(values[..., :1])
    odd = torch.cat((zero, values, zero, -values.flip(-1)), dim=-1)
    return -torch.fft.rfft(odd).imag[..., 1 : values.shape[-1] + 1]


def replicate(image: Tensor, margin: int) -> Tensor:
    """The image with `margin` copies of its border pixels on every side."""
    return F.pad(image, (margin, margin, margin, margin), mode="replicate")


def crop(image: Tensor, margin: int) -> Tensor:
    """The image without `margin` pixels on every side; undoes `replicate`."""
    return image[..., margin : image.shape[-2] - margin, margin : image.shape[-1] - margin]


def edge_taper(image: Tensor, kernel: Tensor, times: int = 1) -> Tensor:
    """The image blended into its circular blur towards the border, so that the border looks blurred circularly.

    The weights come from the kernel's autocorrelation (as MATLAB's edgetaper). image: (B, C, H, W), larger than the
    kernel (B, 1, h, w). The result lies between the image's least and greatest value.
    """
    weight = (
        _taper(kernel.sum(-1), image.shape[-2])[..., :, None] * _taper(kernel.sum(-2), image.shape[-1])[..., None, :]
    )
    least, greatest = image.amin((-3, -2, -1), keepdim=True), image.amax((-3, -2, -1), keepdim=True)
    for _ in range(times):
        blurred = circular_convolve(image, kernel)
        image = (weight * image + (1 - weight) * blurred).clamp(least, greatest)
    return image


def _taper(profile: Tensor, length: int) -> Tensor:
    """Weights along an axis of `length` pixels for a kernel whose sums along it are `profile` (B, 1, h)."""
    spectrum = torch.fft.rfft(profile, n=length - 1)
    z = torch.fft.irfft(squared_modulus(spectrum), n=length - 1)
    z = torch.cat((z, z[..., :1]), dim=-1)
    return 1 - z / z.amax(-1, keepdim=True).clamp_min(torch.finfo(z.dtype).tiny)
