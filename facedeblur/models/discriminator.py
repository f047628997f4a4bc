"""The discriminator of five layers (section 5.1): pix2pix's 70x70 patch classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facedeblur.models.layers import init_pix2pix


class Discriminator(nn.Module):
    """Judges overlapping 70x70 patches of a candidate image, by default together with the blurry image (Eq. 2).

    forward: candidate (B, 3, H, W) and blurry (B, 3, H, W), both in [-1, 1] -> (logits (B, 1, H/8-2, W/8-2),
    features (B, 8w, H/8-1, W/8-1)). The features are the penultimate layer's output, pi of Eq. 4.

    Args:
        width: w, channels of the first layer; pix2pix's are 64.
        conditional: False: it does not look at the blurry image.

    >>> logits, features = Discriminator(width=4)(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    >>> logits.shape, features.shape
    (torch.Size([1, 1, 6, 6]), torch.Size([1, 32, 7, 7]))
    """

    def __init__(self, width: int = 64, conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.trunk = nn.Sequential(
            nn.Conv2d(6 if conditional else 3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *_layer(width, 2 * width, stride=2),
            *_layer(2 * width, 4 * width, stride=2),
            *_layer(4 * width, 8 * width, stride=1),
        )
        self.head = nn.Conv2d(8 * width, 1, 4, stride=1, padding=1)
        init_pix2pix(self)

    def forward(self, candidate: Tensor, blurry: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.conditional:
            if blurry is None:
                raise ValueError("the conditional discriminator needs the blurry image beside the candidate")
            candidate = torch.cat([blurry, candidate], dim=1)
        features = self.trunk(candidate)
        return self.head(features), features


def _layer(in_channels: int, out_channels: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, 4, stride, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )
