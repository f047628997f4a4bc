"""A light pair of encoder and decoder for `generator: light`: no batch norm, computing at half the resolution.

Not the paper's: a U-Net of plain 3x3 residual blocks behind a pixel-unshuffle of 2, whose last layer starts at zero.
Meant for `global_residual`, where the untrained generator then returns its input and learns only the correction. It
serves wherever Table 3 serves: both plug-ins, the tied decoder and the discriminator stay the same.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.unet import UNetDecoder, UNetEncoder

LEVELS = (1, 2, 3, 4)  # channels at 1/2, 1/4, 1/8 and 1/16 of the resolution, in units of the width
BLOCKS = 2  # residual blocks per level, in the encoder and in the decoder


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


class LightEncoder(UNetEncoder):
    """See UNetEncoder; its levels are residual blocks.

    Args:
        in_channels: 3 of an image, 6 of an image and its first restoration.
        width: channels at half the resolution.

    >>> import torch
    >>> [tuple(maps.shape[1:]) for maps in LightEncoder(width=4)(torch.zeros(1, 3, 32, 32))]
    [(4, 16, 16), (8, 8, 8), (12, 4, 4), (16, 2, 2)]
    """

    def __init__(self, in_channels: int = 3, width: int = 48) -> None:
        channels = [multiple * width for multiple in LEVELS]
        stem = nn.Conv2d(4 * in_channels, channels[0], 3, padding=1)
        downs = [nn.Conv2d(a, b, 2, stride=2) for a, b in zip(channels, channels[1:], strict=False)]
        super().__init__(stem, downs, [_level(c) for c in channels])


class LightDecoder(UNetDecoder):
    """LightEncoder's feature maps -> (B, 3, H, W) float32 in [-1, 1], all zero before training; see UNetDecoder.

    Args:
        width: as the encoder's.

    >>> import torch
    >>> LightDecoder(width=4)(LightEncoder(width=4)(torch.ones(1, 3, 32, 32)), stream="blurry").abs().max().item()
    0.0
    """

    def __init__(self, width: int = 48) -> None:
        channels = [multiple * width for multiple in LEVELS]
        pairs = list(zip(channels, channels[1:], strict=False))[::-1]  # (channels above, channels below), deepest first
        ups = [nn.Conv2d(below, 4 * above, 1) for above, below in pairs]
        super().__init__(ups, [_level(c) for c, _ in pairs], nn.Conv2d(channels[0], 4 * 3, 3, padding=1))
        nn.init.zeros_(self.to_image.weight)
        nn.init.zeros_(self.to_image.bias)


def _level(channels: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(BLOCKS)))
