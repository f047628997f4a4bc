"""The methods of Pan et al. that alternate L0 latent images and kernels along a pyramid: text, dark channel, gradients.

pan14_text  "Deblurring text images via L0-regularized intensity and gradient prior", CVPR 2014
pan16       "Blind image deblurring using dark channel prior", CVPR 2016
l0          the same without a prior on the pixels: the sparse gradients of Xu et al., CVPR 2013, in this frame
"""

from __future__ import annotations

import torch
from torch import Tensor

from facedeblur.baselines.deconvolution.driver import BlindDeblurrer, coarse_to_fine
from facedeblur.baselines.deconvolution.edges import select, starting_threshold
from facedeblur.baselines.deconvolution.fourier import valid_differences
from facedeblur.baselines.deconvolution.kernel_cleanup import clean
from facedeblur.baselines.deconvolution.kernel_step import KernelStep
from facedeblur.baselines.deconvolution.l0 import DarkChannel, LatentStep, black_pixels, otsu
from facedeblur.baselines.deconvolution.ringing import remove_ringing

_DECAY, _FLOOR = 1.1, 1e-4  # of both weights, after every iteration


class L0Deblurrer(BlindDeblurrer):
    """Kernels from latent images with few gradients; the image by total variation with the ringing removed.

    Args:
        device, side, chunk: see BlindDeblurrer.
        gradient_weight: lambda of the L0 norm of the gradients; it falls by a tenth an iteration, down to 1e-4.
        iterations: of latent image and kernel, a level.
        kernel_weight: of the kernel's squared norm.
        tv_weight, l0_weight, ringing: the last step's, see `remove_ringing`.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        side: int | None = None,
        gradient_weight: float = 4e-3,
        iterations: int = 5,
        kernel_weight: float = 2.0,
        tv_weight: float = 2e-3,
        l0_weight: float = 5e-4,
        ringing: float = 1.0,
        chunk: int = 16,
    ) -> None:
        super().__init__(device, side, chunk)
        self.gradient_weight, self.iterations, self.kernel_weight = gradient_weight, iterations, kernel_weight
        self.tv_weight, self.l0_weight, self.ringing = tv_weight, l0_weight, ringing

    def latent(self, step: LatentStep, kernel: Tensor, decay: float) -> Tensor:
        """The latent image for `kernel`; `decay` is what has become of the weights, 1 at first."""
        return step.gradients(kernel, _decayed(self.gradient_weight, decay))

    def estimate(self, blurry: Tensor, side: int) -> Tensor:
        decay, threshold = 1.0, None

        def alternate(blurry: Tensor, kernel: Tensor) -> Tensor:
            nonlocal decay, threshold
            gradients, side = valid_differences(blurry), kernel.shape[-1]
            if threshold is None:  # every level starts from that of the coarsest one
                threshold = starting_threshold(gradients, side)
            kernel_step, latent_step = KernelStep(gradients, side, self.kernel_weight), LatentStep(blurry, side)
            here = threshold
            for _ in range(self.iterations):
                latent = self.latent(latent_step, kernel, decay)
                selected, here = select(valid_differences(latent), here)
                kernel = clean(kernel_step(selected), kernel)
                decay /= _DECAY
            return kernel

        return coarse_to_fine(blurry, side, alternate)

    def restore(self, images: Tensor, kernels: Tensor) -> Tensor:
        return remove_ringing(images, kernels, self.tv_weight, self.l0_weight, self.ringing)


class Pan14Text(L0Deblurrer):
    """L0Deblurrer with a second L0 norm, of the pixels themselves: text is black on a background.

    The authors' code lowers both weights to the coarsest level's threshold of gradients where this is below a tenth of
    them; that rule is left out.

    Args:
        device: where it runs; None is that of the images.
        pixel_weight: lambda of the L0 norm of the pixels, which falls like that of the gradients.
        **settings: of L0Deblurrer.
    """

    def __init__(self, device: str | torch.device | None = None, pixel_weight: float = 4e-3, **settings) -> None:
        super().__init__(device, **settings)
        self.pixel_weight = pixel_weight

    def latent(self, step: LatentStep, kernel: Tensor, decay: float) -> Tensor:
        weight, pixel_weight = _decayed(self.gradient_weight, decay), _decayed(self.pixel_weight, decay)
        return step.gradients_and_pixels(kernel, weight, pixel_weight, black_pixels, 2 * pixel_weight)


class Pan16(L0Deblurrer):
    """L0Deblurrer with an L0 norm of the dark channel, the minima over patches: blur makes dark pixels brighter.

    dark_weight: lambda of the L0 norm of the dark channel, which falls like that of the gradients. patch: side in
    pixels, at every level.
    """

    def __init__(
        self, device: str | torch.device | None = None, dark_weight: float = 4e-3, patch: int = 35, **settings
    ) -> None:
        super().__init__(device, **settings)
        self.dark_weight, self.project = dark_weight, DarkChannel(patch)

    def latent(self, step: LatentStep, kernel: Tensor, decay: float) -> Tensor:
        weight, dark_weight = _decayed(self.gradient_weight, decay), _decayed(self.dark_weight, decay)
        # where the squared image parts into dark and bright; a black image has no such place and keeps its start
        parting = otsu(step.wrapped.square()).clamp_min(torch.finfo(step.wrapped.dtype).tiny)
        return step.gradients_and_pixels(kernel, weight, dark_weight, self.project, dark_weight / parting)


def _decayed(weight: float, decay: float) -> float:
    return max(weight * decay, min(weight, _FLOOR))
