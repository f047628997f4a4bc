"""A light pair of encoder and decoder for `generator: light`: no batch norm, computing at half the resolution.

Not the paper's: a U-Net of plain 3x3 residual blocks behind a pixel-unshuffle of 2, whose last layer starts at zero.
Meant for `global_residual`, where the untrained generator then returns its input and learns the correction alone. It
serves wherever Table 3 serves: both plug-ins, the tied decoder and the discriminator stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import Stream, check_sides

LEVELS = (1, 2, 3, 4)  # channels at 1/2, 1/4, 1/8 and 1/16 of the resolution, in units of the width
BLOCKS = 2  # residual blocks per level, in the encoder and in the decoder
CODE_MULTIPLE = 16  # sides must be multiples of it


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), 3x3: (B, C, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.bias)
        self.second.weight.data.mul_(0.1)  # blocks start near the identity: nothing normalises their sum

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class LightEncoder(nn.Module):
    """(B, in_channels, H, W) in [-1, 1], sides multiples of 16 -> feature maps at 1/2, 1/4, 1/8 and 1/16, code last.

    Raises ValueError on other sides.
    """

    def __init__(self, in_channels: int = 3, width: int = 48) -> None:
        super().__init__()
        channels = [multiple * width for multiple in LEVELS]
        self.stem = nn.Conv2d(4 * in_channels, channels[0], 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in zip(channels, channels[1:], strict=False))
        self.levels = nn.ModuleList(nn.Sequential(*(ResidualBlock(c) for _ in range(BLOCKS))) for c in channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        check_sides(image, CODE_MULTIPLE)
        x = self.stem(F.pixel_unshuffle(image, 2))
        features = [self.levels[0](x)]
        for down, level in zip(self.downs, self.levels[1:], strict=True):
            features.append(level(down(features[-1])))
        return features


class LightDecoder(nn.Module):
    """LightEncoder's feature maps -> (B, 3, H, W) float32 in [-1, 1], all zero before training; `stream` is ignored."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        channels = [multiple * width for multiple in LEVELS]
        pairs = list(zip(channels, channels[1:], strict=False))[::-1]  # (channels above, channels below), deepest first
        self.ups = nn.ModuleList(nn.Conv2d(below, 4 * above, 1) for above, below in pairs)
        self.levels = nn.ModuleList(nn.Sequential(*(ResidualBlock(c) for _ in range(BLOCKS))) for c, _ in pairs)
        self.to_image = nn.Conv2d(channels[0], 4 * 3, 3, padding=1)
        nn.init.zeros_(self.to_image.weight)
        nn.init.zeros_(self.to_image.bias)

    def forward(self, features: Sequence[Tensor], stream: Stream = "blurry") -> Tensor:
        x = features[-1]
        for up, level, skip in zip(self.ups, self.levels, features[-2::-1], strict=True):
            x = level(F.pixel_shuffle(up(x), 2) + skip)
        # In float32 under autocast too: bfloat16 has half a grey level near -1 and 1.
        return torch.tanh(F.pixel_shuffle(self.to_image(x), 2).float())
