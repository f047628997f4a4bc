"""The kernels that a blind method estimated, as a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.driver import BlindDeblurrer
from facedeblur.errors import UsageError
from facedeblur.files import write_atomic

SIDE = 256  # of a kernel in the picture, at least, in pixels


class KernelRecorder:
    """A Deblurrer that keeps the kernels of all it deblurred, in `kernels`, each (side, side) float32.

    Raises:
        UsageError: a method that estimates none.
    """

    def __init__(self, deblurrer: object, name: str) -> None:
        if not isinstance(deblurrer, BlindDeblurrer):
            raise UsageError(f"--kernel: {name} estimates no kernel; --weights pan16, say, does")
        self.deblurrer, self.kernels = deblurrer, []

    def __call__(self, images: Tensor) -> Tensor:
        done = self.deblurrer.deconvolve(images)
        self.kernels += [kernel[0].cpu().numpy().astype(np.float32) for kernel in done.kernels]
        return done.images


def write_kernels(path: Path, kernels: list[np.ndarray]) -> None:
    """Writes kernels side by side as a grey PNG: white is a kernel's largest tap, black is zero, taps are squares."""
    scaled = []
    for kernel in kernels:
        zoom = -(-SIDE // kernel.shape[0])
        grey = np.rint(255 * kernel / max(float(kernel.max()), torch.finfo(torch.float32).tiny)).astype(np.uint8)
        scaled.append(np.pad(np.kron(grey, np.ones((zoom, zoom), np.uint8)), 2, constant_values=128))
    _, content = cv2.imencode(".png", np.hstack(scaled))
    write_atomic(path, content.tobytes())
