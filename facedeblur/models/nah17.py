"""The three-scale network of Nah, Kim and Lee, "Deep multi-scale CNN for dynamic scene deblurring", CVPR 2017.

Section 3.1 and figure 3: one network a scale, coarse to fine; each sees the blurry image of its scale beside the
coarser scale's result, enlarged by a learned convolution. Attributes are named as in the authors' PyTorch release, so
that its files load as they are; index 0 of every list is the finest scale, as there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES = 3
MULTIPLE = 2 ** (SCALES - 1)  # sides must be multiples of it
HALF_RANGE = 127.5  # the networks compute on 0 ... 255, the mean taken off
SIGMA = 2 / 3  # of the pyramid's Gaussian, cut off at four sigma


class ResBlock(nn.Module):
    """x + conv(relu(conv(x))), 5x5, without normalisation or a last ReLU: (B, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), nn.ReLU(inplace=True), _conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ScaleNet(nn.Module):
    """The network of one scale: (B, in_channels, H, W) -> (B, 3, H, W)."""

    def __init__(self, in_channels: int, width: int, blocks: int) -> None:
        super().__init__()
        residual = [ResBlock(width) for _ in range(blocks)]
        self.body = nn.Sequential(_conv(in_channels, width), *residual, _conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Enlarge(nn.Module):
    """(B, 3, H, W) -> (B, 3, 2H, 2W), learned."""

    def __init__(self) -> None:
        super().__init__()
        self.uppath = nn.Sequential(_conv(3, 12), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.uppath(x)


class MultiScaleNet(nn.Module):
    """Blurry (B, 3, H, W) in [-1, 1], sides multiples of 4 -> restored images, finest first: sides H, H/2 and H/4.

    Args:
        width: channels; 64 in the paper.
        blocks: residual blocks a scale; 19 in the paper.

    Raises:
        ValueError: on other sides.
    """

    def __init__(self, width: int = 64, blocks: int = 19) -> None:
        super().__init__()
        coarsest = SCALES - 1
        channels = [3 if scale == coarsest else 6 for scale in range(SCALES)]
        self.body_models = nn.ModuleList(ScaleNet(c, width, blocks) for c in channels)
        self.conv_end_models = nn.ModuleList([nn.Identity(), *(Enlarge() for _ in range(coarsest))])

    def forward(self, blurry: Tensor) -> list[Tensor]:
        restored: list[Tensor] = []
        coarser: list[Tensor] = []
        images = pyramid(blurry)
        for scale in reversed(range(SCALES)):
            result = self.body_models[scale](torch.cat([HALF_RANGE * images[scale], *coarser], dim=1))
            if scale > 0:
                coarser = [self.conv_end_models[scale](result)]
            restored.insert(0, result.float() / HALF_RANGE)
        return restored


class Critic(nn.Module):
    """The discriminator of table 1: (B, 3, H, W) in [-1, 1] -> logits (B, 1, ceil(H/256), ceil(W/256)).

    Ten 5x5 convolutions without bias, of strides 1, 2, 1, 2, 1, 4, 1, 4, 1, 4, and a 1x1 one.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for wide, stride in zip((width // 2, width, 2 * width, 4 * width, 8 * width), (2, 2, 4, 4, 4), strict=True):
            for inputs, step in ((channels, 1), (wide, stride)):  # the first of a pair widens, the second strides
                layers += [nn.Conv2d(inputs, wide, 5, step, padding=2, bias=False), nn.LeakyReLU(0.2, inplace=True)]
            channels = wide
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, 1, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.layers(HALF_RANGE * image))


def pyramid(image: Tensor, scales: int = SCALES) -> list[Tensor]:
    """The Gaussian pyramid, finest first: smoothed, then every 2x2 pixels averaged.

    As skimage.transform.pyramid_gaussian for even sides, with pixels mirrored at the border. image: (B, C, H, W).
    Raises ValueError for sides that cannot be halved so often.
    """
    height, width = image.shape[-2:]
    multiple = 2 ** (scales - 1)
    if height % multiple or width % multiple:
        raise ValueError(f"image of {height}x{width} pixels: both sides must be multiples of {multiple}")
    levels = [image]
    for _ in range(scales - 1):
        levels.append(F.avg_pool2d(_smooth(_smooth(levels[-1], -1), -2), 2))
    return levels


def _smooth(image: Tensor, dim: int) -> Tensor:
    """The image under the pyramid's Gaussian along `dim`."""
    reach = int(4 * SIGMA + 0.5)
    weights = [math.exp(-0.5 * (t / SIGMA) ** 2) for t in range(-reach, reach + 1)]
    length = image.shape[dim]
    places = torch.arange(-reach, length + reach, device=image.device) % (2 * length)
    mirrored = torch.where(places < length, places, 2 * length - 1 - places)
    padded = image.index_select(dim, mirrored)
    return sum(weight / sum(weights) * padded.narrow(dim, t, length) for t, weight in enumerate(weights))


def multi_scale_mse(outputs: Sequence[Tensor], sharp: Tensor) -> Tensor:
    """The content loss of section 3.2: the mean squared error of every scale, halved and summed over the scales.

    outputs: of MultiScaleNet. sharp: (B, 3, H, W) in [-1, 1]; its pyramid is the goal. Errors count in units of [0, 1].
    """
    goals = pyramid(sharp, len(outputs))
    return sum(F.mse_loss(output / 2, goal / 2) / 2 for output, goal in zip(outputs, goals, strict=True))


def multi_scale_l1(outputs: Sequence[Tensor], sharp: Tensor) -> Tensor:
    """What the authors' PyTorch release minimises instead: the mean absolute error, summed over scales."""
    goals = pyramid(sharp, len(outputs))
    return sum(F.l1_loss(output, goal) for output, goal in zip(outputs, goals, strict=True))


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 5, padding=2)
