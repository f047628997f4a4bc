"""What evaluation and inference know of a method: a Deblurrer, from blurry images in [0, 1] to restored ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.generator import TwoStep
from facedeblur.models.half_size import HalfSizeStep
from facedeblur.models.hourglass import HOURGLASS_MULTIPLE, StackedHourglass
from facedeblur.models.settings import SIDE_MULTIPLE

# The share of its size that a face has to fill to be worth a larger network. Below, most of what that would see was
# made by enlarging.
FILLED = 0.75


class Deblurrer(Protocol):
    """Blurry images (B, 3, H, W), float32 in [0, 1], RGB, of any size -> restored images, same shape, type and device.

    An image's result does not depend on the other images of its batch.
    """

    def __call__(self, images: Tensor) -> Tensor: ...


class Blurred:
    """The method "blurred": a copy of its input.

    >>> Blurred()(torch.full((1, 3, 1, 1), 0.5)).flatten().tolist()
    [0.5, 0.5, 0.5]
    """

    def __call__(self, images: Tensor) -> Tensor:
        return images.clone()


class NetworkDeblurrer:
    """The trained generator, behind its hourglass if it was trained with one, in evaluation mode without gradients.

    It runs on the generator's device and leaves the networks in evaluation mode: give a copy of one in training.
    ValueError for anything but floating-point (B, 3, H, W).

    Args:
        generator, hourglass: G_bl and what it is conditioned on.
        size: side in pixels of the images they were trained on; needed where the hourglass's place is taken by a
            network of half the size, which then serves images that are too small for the whole.

    >>> from facedeblur.models import DeblurGenerator, LightDecoder, LightEncoder
    >>> untrained = DeblurGenerator(LightEncoder(width=4), LightDecoder(width=4), global_residual=True)
    >>> images = torch.rand(2, 3, 50, 70)  # of any size
    >>> torch.allclose(NetworkDeblurrer(untrained)(images), images, atol=1e-6)
    True
    """

    def __init__(self, generator: nn.Module, hourglass: nn.Module | None = None, size: int | None = None) -> None:
        first = [] if hourglass is None else [TwoStep(hourglass)]
        self.network = nn.Sequential(*first, generator)
        self.size, self.smaller = size, None
        if size is not None and isinstance(hourglass, HalfSizeStep):
            self.smaller = NetworkDeblurrer(hourglass.network, size=size // 2)

    def size_for(self, side: int) -> int | None:
        """The size of the network for a face whose crop has `side` pixels in its picture."""
        return self.size if self.smaller is None or side >= FILLED * self.size else self.smaller.size_for(side)

    def __call__(self, images: Tensor) -> Tensor:
        if self.smaller is not None and images.ndim == 4 and max(images.shape[-2:]) < FILLED * self.size:
            return self.smaller(images)
        self.network.eval()
        return run_padded(_unit_range(self.network), images, _device(self.network), SIDE_MULTIPLE)


class HourglassDeblurrer:
    """The first step alone, in evaluation mode without gradients; otherwise as NetworkDeblurrer.

    Args:
        hourglass: the first step.

    >>> HourglassDeblurrer(StackedHourglass(features=8, stacks=1))(torch.rand(1, 3, 50, 60)).shape
    torch.Size([1, 3, 50, 60])
    """

    def __init__(self, hourglass: StackedHourglass) -> None:
        self.hourglass = hourglass

    def __call__(self, images: Tensor) -> Tensor:
        self.hourglass.eval()
        restore = _unit_range(self.hourglass.restore)
        return run_padded(restore, images, _device(self.hourglass), HOURGLASS_MULTIPLE)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _unit_range(restore: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A network from [-1, 1] to [-1, 1] as one from [0, 1] to [0, 1]."""
    return lambda images: (restore(images * 2 - 1).float() + 1) / 2


@torch.no_grad()
def run_padded(restore: Callable[[Tensor], Tensor], images: Tensor, device: torch.device, multiple: int) -> Tensor:
    """`restore` on images in [0, 1] of any size, their sides padded to multiples of `multiple` on the way."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(f"images must be (B, 3, H, W) floats in [0, 1], got {tuple(images.shape)} {images.dtype}")
    height, width = images.shape[-2:]
    # The image stays in the middle, where the network met its faces; the border pixels are repeated around it.
    top, left = -height % multiple // 2, -width % multiple // 2
    bottom, right = -height % multiple - top, -width % multiple - left
    padded = F.pad(images.to(device).float(), (left, right, top, bottom), mode="replicate")
    restored = restore(padded)[..., top : top + height, left : left + width]
    return restored.clamp(0, 1).to(images)
