"""An encoder and a decoder of NAF blocks for `generator: naf`: gated blocks with layer norm, at half the resolution.

Not the paper's: a U-Net behind a pixel-unshuffle of 2 whose last layer starts near zero. Meant for `global_residual`,
where the untrained generator nearly returns its input and learns only the correction. Most blocks stand at the lowest
resolutions: motion blur needs reach more than detail. It serves wherever Table 3 serves: both plug-ins, the tied
decoder and the discriminator stay the same.
"""

from __future__ import annotations

from torch import nn

from facedeblur.models.naf import NAFBlock, downsample
from facedeblur.models.unet import UNetDecoder, UNetEncoder

ENCODER_BLOCKS = (2, 2, 4, 4)  # at 1/2, 1/4, 1/8 and 1/16 of the resolution; the channels double from level to level
DECODER_BLOCKS = (2, 2, 2)  # at 1/8, 1/4 and 1/2


class NAFEncoder(UNetEncoder):
    """See UNetEncoder; its levels are NAF blocks."""

    def __init__(self, in_channels: int = 3, width: int = 32) -> None:
        channels = _channels(width)
        stem = nn.Conv2d(4 * in_channels, width, 3, padding=1)
        downs = [downsample(c) for c in channels[:-1]]
        super().__init__(stem, downs, [_level(c, blocks) for c, blocks in zip(channels, ENCODER_BLOCKS, strict=True)])


class NAFDecoder(UNetDecoder):
    """NAFEncoder's feature maps -> (B, 3, H, W) float32 in [-1, 1], near zero before training; see UNetDecoder."""

    def __init__(self, width: int = 32) -> None:
        channels = _channels(width)[-2::-1]  # of the decoder's levels, deepest first
        ups = [nn.Conv2d(2 * c, 4 * c, 1, bias=False) for c in channels]
        levels = [_level(c, blocks) for c, blocks in zip(channels, DECODER_BLOCKS, strict=True)]
        super().__init__(ups, levels, nn.Conv2d(width, 4 * 3, 3, padding=1))
        self.to_image.weight.data.mul_(0.05)
        nn.init.zeros_(self.to_image.bias)


def _channels(width: int) -> list[int]:
    return [width * 2**level for level in range(len(ENCODER_BLOCKS))]


def _level(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(blocks)))
