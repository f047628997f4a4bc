"""The walk through a U-Net behind a pixel-unshuffle of 2, whatever its blocks: what `light` and `naf_pair` share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import Stream, check_sides

CODE_MULTIPLE = 16  # sides must be multiples of it: four levels, the first at half the resolution


class UNetEncoder(nn.Module):
    """(B, in_channels, H, W) in [-1, 1], sides multiples of 16 -> feature maps at 1/2, 1/4, 1/8 and 1/16, code last.

    Args:
        stem: of the unshuffled image, (B, 4 in_channels, H/2, W/2).
        downs: between two levels, each halving the sides.
        levels: one more than `downs`.

    Raises:
        ValueError: on other sides.
    """

    def __init__(self, stem: nn.Module, downs: Iterable[nn.Module], levels: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stem, self.downs, self.levels = stem, nn.ModuleList(downs), nn.ModuleList(levels)

    def forward(self, image: Tensor) -> list[Tensor]:
        check_sides(image, CODE_MULTIPLE)
        features = [self.levels[0](self.stem(F.pixel_unshuffle(image, 2)))]
        for down, level in zip(self.downs, self.levels[1:], strict=True):
            features.append(level(down(features[-1])))
        return features


class UNetDecoder(nn.Module):
    """UNetEncoder's feature maps -> (B, 3, H, W) float32 in [-1, 1]; `stream` is ignored.

    Args:
        ups: deepest first, each to four times the channels of its level, which a pixel-shuffle turns into its sides.
        levels: one for each of `ups`.
        to_image: to 12 channels at half the resolution.
    """

    def __init__(self, ups: Iterable[nn.Module], levels: Iterable[nn.Module], to_image: nn.Module) -> None:
        super().__init__()
        self.ups, self.levels, self.to_image = nn.ModuleList(ups), nn.ModuleList(levels), to_image

    def forward(self, features: Sequence[Tensor], stream: Stream = "blurry") -> Tensor:
        x = features[-1]
        for up, level, skip in zip(self.ups, self.levels, features[-2::-1], strict=True):
            x = level(F.pixel_shuffle(up(x), 2) + skip)
        # In float32 under autocast too: bfloat16 has half a grey level near -1 and 1.
        return torch.tanh(F.pixel_shuffle(self.to_image(x), 2).float())
