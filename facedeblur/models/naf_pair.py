"""An encoder and a decoder of NAF blocks for `generator: naf`: gated blocks with layer norm, at half the resolution.

Not the paper's: a U-Net behind a pixel-unshuffle of 2 whose last layer starts near zero. Meant for `global_residual`,
where the untrained generator nearly returns its input and learns the correction alone. Most blocks stand at the lowest
resolutions: motion blur needs reach more than detail. It serves wherever Table 3 serves: both plug-ins, the tied
decoder and the discriminator stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import Stream, check_sides
from facedeblur.models.naf import NAFBlock, downsample

ENCODER_BLOCKS = (2, 2, 4, 4)  # at 1/2, 1/4, 1/8 and 1/16 of the resolution; the channels double from level to level
DECODER_BLOCKS = (2, 2, 2)  # at 1/8, 1/4 and 1/2
CODE_MULTIPLE = 16  # sides must be multiples of it


class NAFEncoder(nn.Module):
    """(B, in_channels, H, W) in [-1, 1], sides multiples of 16 -> feature maps at 1/2, 1/4, 1/8 and 1/16, code last.

    Raises ValueError on other sides.
    """

    def __init__(self, in_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        channels = _channels(width)
        self.stem = nn.Conv2d(4 * in_channels, width, 3, padding=1)
        self.downs = nn.ModuleList(downsample(c) for c in channels[:-1])
        self.levels = nn.ModuleList(_level(c, blocks) for c, blocks in zip(channels, ENCODER_BLOCKS, strict=True))

    def forward(self, image: Tensor) -> list[Tensor]:
        check_sides(image, CODE_MULTIPLE)
        features = [self.levels[0](self.stem(F.pixel_unshuffle(image, 2)))]
        for down, level in zip(self.downs, self.levels[1:], strict=True):
            features.append(level(down(features[-1])))
        return features


class NAFDecoder(nn.Module):
    """NAFEncoder's feature maps -> (B, 3, H, W) float32 in [-1, 1], near zero before training; `stream` is ignored."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        channels = _channels(width)[-2::-1]  # of the decoder's levels, deepest first
        self.ups = nn.ModuleList(nn.Conv2d(2 * c, 4 * c, 1, bias=False) for c in channels)
        self.levels = nn.ModuleList(_level(c, blocks) for c, blocks in zip(channels, DECODER_BLOCKS, strict=True))
        self.to_image = nn.Conv2d(width, 4 * 3, 3, padding=1)
        self.to_image.weight.data.mul_(0.05)
        nn.init.zeros_(self.to_image.bias)

    def forward(self, features: Sequence[Tensor], stream: Stream = "blurry") -> Tensor:
        x = features[-1]
        for up, level, skip in zip(self.ups, self.levels, features[-2::-1], strict=True):
            x = level(F.pixel_shuffle(up(x), 2) + skip)
        # In float32 under autocast too: bfloat16 has half a grey level near -1 and 1.
        return torch.tanh(F.pixel_shuffle(self.to_image(x), 2).float())


def _channels(width: int) -> list[int]:
    return [width * 2**level for level in range(len(ENCODER_BLOCKS))]


def _level(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(blocks)))
