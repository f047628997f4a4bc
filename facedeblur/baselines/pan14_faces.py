"""Pan, Hu, Su and Yang, "Deblurring face images with exemplars", ECCV 2014.

The kernel is first estimated between the blurred face and the contours of the sharp face that is most like it, then
alternately with the latent image; there is no pyramid, since the exemplar knows where the strong edges are.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.driver import BlindDeblurrer
from facedeblur.baselines.deconvolution.kernel_cleanup import centred, clean, drop_faint, normalised
from facedeblur.baselines.deconvolution.kernel_step import KernelStep
from facedeblur.baselines.deconvolution.l0 import LatentStep
from facedeblur.baselines.deconvolution.sparse import sparse_deconvolution
from facedeblur.baselines.exemplars import Exemplars, padded_differences, unit


class Pan14Faces(BlindDeblurrer):
    """Kernels from an exemplar's contours; the image by sparse deconvolution of every channel.

    Args:
        device, side, chunk: see BlindDeblurrer.
        exemplars: a set's file, see `facedeblur exemplars`; None for the rendered set that ships with the package,
            "none" to start from the blurred gradients instead.
        iterations: of latent image and kernel.
        gradient_weight: lambda of the latent image's L0 norm of the gradients.
        kernel_weight: of the kernel's squared norm, for gradients of norm one.
        final_weight, final_iterations: of the last step.

    Raises:
        UsageError: a file that is no set.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        exemplars: str | Path | None = None,
        iterations: int = 50,
        gradient_weight: float = 2e-3,
        kernel_weight: float = 1.0,
        final_weight: float = 1e-3,
        final_iterations: int = 100,
        chunk: int = 16,
    ) -> None:
        super().__init__(device, side, chunk)
        self.exemplars = None if str(exemplars) == "none" else Exemplars(exemplars)
        self.iterations, self.gradient_weight, self.kernel_weight = iterations, gradient_weight, kernel_weight
        self.final_weight, self.final_iterations = final_weight, final_iterations
        name = "none" if self.exemplars is None else f"{len(self.exemplars)} {self.exemplars.name}"
        self.given = {"exemplars": name, "exemplars_hash": getattr(self.exemplars, "fingerprint", "")}

    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        blurred = padded_differences(blurry)
        first = blurred if self.exemplars is None else self.exemplars.salient_gradients(blurry)
        kernel_step, latent_step = KernelStep(unit(blurred), side, self.kernel_weight), LatentStep(blurry, side)
        gradients, kernel = unit(first), None
        for _ in range(self.iterations):
            kernel = centred(clean(kernel_step(gradients), kernel))
            gradients = unit(padded_differences(latent_step.gradients(kernel, self.gradient_weight)))
        return centred(normalised(drop_faint(kernel), kernel))

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        return sparse_deconvolution(images, kernels, self.final_weight, self.final_iterations)
