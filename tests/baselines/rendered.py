"""What recovery is tested on: rendered polygons, blurred by a kernel that is known; and how near a result comes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.signal import fftconvolve
from torch import Tensor

from facedeblur.blur.kernels import normalise
from facedeblur.blur.trajectory import rasterise, trajectories

NOISE = 0.005
MARGIN = 12  # pixels left out at each border when images are compared, and the farthest shift that is undone


@dataclass(frozen=True)
class Blurred:
    """A sharp and a blurry image (1, 3 or 1, size, size), float32 in [0, 1], and the kernel (1, 1, side, side)."""

    sharp: Tensor
    blurry: Tensor
    kernel: Tensor


def blurred_polygons(side: int, size: int = 160, colour: bool = False, seed: int = 0) -> Blurred:
    """28 shaded polygons under a camera shake of `side` pixels, with noise of .005 and 256 levels."""
    rng = np.random.default_rng([seed, side])
    scene = polygons(rng, size + side - 1, 3 if colour else 1)
    kernel = camera_kernel(rng, side)
    blurry = np.stack([fftconvolve(plane, kernel, mode="valid") for plane in scene])
    blurry = np.rint((blurry + rng.normal(0, NOISE, blurry.shape)).clip(0, 1) * 255) / 255
    half = side // 2
    sharp = scene[:, half : half + size, half : half + size]
    return Blurred(*(torch.from_numpy(np.ascontiguousarray(a))[None].float() for a in (sharp, blurry, kernel[None])))


def polygons(rng: np.random.Generator, size: int, channels: int = 1, count: int = 28) -> np.ndarray:
    """(channels, size, size) in [0, 1]: flat polygons over one another, antialiased, under soft shading."""
    fine = 4 * size
    image = np.full((fine, fine, channels), 0.5, np.float32)
    for _ in range(count):
        corners = int(rng.integers(3, 7))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radius = rng.uniform(0.06, 0.25) * fine
        points = rng.uniform(0, fine, 2) + radius * np.stack([np.cos(angles), np.sin(angles)], -1)
        cv2.fillPoly(image, [np.rint(points).astype(np.int32)], rng.uniform(0.05, 0.95, channels).tolist())
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).reshape(size, size, channels)
    y, x = np.mgrid[:size, :size] / size
    shade = 1 + 0.1 * np.sin(2 * np.pi * (rng.uniform(0.3, 1, 2) @ np.stack([x, y]).reshape(2, -1))).reshape(size, size)
    return np.moveaxis(image * shade[..., None], -1, 0).clip(0, 1).astype(np.float64)


def camera_kernel(rng: np.random.Generator, side: int) -> np.ndarray:
    """A camera shake whose path fills `side` - 2 pixels in its longer direction, (side, side), its centroid central."""
    path = trajectories(rng, np.array([60.0]), np.array([0.005]), 1000)[0]
    extent = max(np.ptp(path.real), np.ptp(path.imag))
    kernel = rasterise(path, (side - 3) / extent)
    rows, columns = (np.average(np.arange(n), weights=kernel.sum(1 - axis)) for axis, n in enumerate(kernel.shape))
    canvas = np.zeros((3 * side, 3 * side))
    top, left = round(1.5 * side - 0.5 - rows), round(1.5 * side - 0.5 - columns)
    canvas[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return normalise(canvas[side : 2 * side, side : 2 * side]).astype(np.float64)


def kernel_similarity(found: Tensor, true: Tensor) -> float:
    """The largest normalised cross-correlation over shifts of two kernels (1, 1, side, side)."""
    a, b = found[0, 0].double().numpy(), true[0, 0].double().numpy()
    return float(fftconvolve(a, b[::-1, ::-1]).max() / np.linalg.norm(a) / np.linalg.norm(b))


def psnr(image: Tensor, sharp: Tensor) -> float:
    """Over the interior, after the shift by whole pixels that fits best, in dB."""
    height, width = image.shape[-2:]
    inside = sharp[..., MARGIN : height - MARGIN, MARGIN : width - MARGIN].double()
    errors = [
        (image[..., row : row + height - 2 * MARGIN, column : column + width - 2 * MARGIN] - inside).square().mean()
        for row in range(2 * MARGIN + 1)
        for column in range(2 * MARGIN + 1)
    ]
    return float(-10 * torch.log10(torch.stack(errors).min()))


def gain(restored: Tensor, example: Blurred) -> float:
    """How many dB the restored image is nearer to the sharp one than the blurry one."""
    return psnr(restored, example.sharp) - psnr(example.blurry, example.sharp)
