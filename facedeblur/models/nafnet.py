"""NAFNet of Chen et al., "Simple Baselines for Image Restoration", ECCV 2022: a U-Net of NAF blocks.

Figure 2c and section 3: blocks at every level, 2x2 convolutions down, pixel shuffles up, sums as skips, and the input
added to the output. Attributes are named as in the authors' files (MIT), so that these load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from facedeblur.models.naf import NAFBlock, downsample, upsample


class NAFNet(nn.Module):
    """Blurry (B, 3, H, W) -> restored, same; works on any range, the released weights on [0, 1].

    Args:
        width: channels at full resolution; 32 or 64 in the released files.
        encoder_blocks, middle_blocks, decoder_blocks: numbers of blocks at every level, the finest encoder level first
            and the coarsest decoder level first; the defaults are those of the GoPro weights.

    Sides must be multiples of `multiple`, 2 for every level. Raises ValueError on other sides.
    """

    def __init__(
        self,
        width: int = 32,
        encoder_blocks: Sequence[int] = (1, 1, 1, 28),
        middle_blocks: int = 1,
        decoder_blocks: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__()
        if len(encoder_blocks) != len(decoder_blocks):
            raise ValueError(f"{len(encoder_blocks)} levels down and {len(decoder_blocks)} up: must be as many")
        channels = [width << level for level in range(len(encoder_blocks) + 1)]
        self.multiple = 1 << len(encoder_blocks)
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(c, n) for c, n in zip(channels, encoder_blocks, strict=False))
        self.downs = nn.ModuleList(downsample(c) for c in channels[:-1])
        self.middle_blks = _blocks(channels[-1], middle_blocks)
        self.ups = nn.ModuleList(upsample(c) for c in reversed(channels[1:]))
        self.decoders = nn.ModuleList(_blocks(c, n) for c, n in zip(channels[-2::-1], decoder_blocks, strict=True))
        self.ending = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, blurry: Tensor) -> Tensor:
        height, width = blurry.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"image of {height}x{width} pixels: both sides must be multiples of {self.multiple}")
        x, skips = self.intro(blurry), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(x))
            x = down(skips[-1])
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        return blurry + self.ending(x).float()


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels) for _ in range(count)))
