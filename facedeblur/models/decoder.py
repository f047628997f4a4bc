"""The decoder that both streams share: Table 3(b)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.encoder import ENCODER_WIDTHS
from facedeblur.models.layers import Shortcut, Stream, TiedBatchNorm2d, concatenate, init_pix2pix

# Channels of F-Conv. 1 ... 7 in units of the base width: 1024, 512, 512, 512, 256, 128, 64 in the paper.
DECODER_WIDTHS = (16, 8, 8, 8, 4, 2, 1)
# A residual connection leaves after each of these layers and joins the output of the second layer after it.
RESIDUALS_AFTER = (1, 3)


class UpLayer(nn.Module):
    """Transposed convolution, ReLU and batch norm in either order, dropout that keeps with probability `keep`."""

    def __init__(
        self, conv: nn.ConvTranspose2d, norm: TiedBatchNorm2d | None, relu_first: bool = True, keep: float = 1.0
    ) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm
        self.relu_first, self.keep = relu_first, keep

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x = self.conv(x)
        # In place is safe in both orders: neither convolution nor batch norm needs its output for the gradient.
        if self.norm is None:
            x = F.relu_(x)
        elif self.relu_first:
            x = self.norm(F.relu_(x), stream)
        else:
            x = F.relu_(self.norm(x, stream))
        return F.dropout(x, 1 - self.keep, self.training) if self.keep < 1 else x


class Decoder(nn.Module):
    """Eight transposed convolutions from the encoder's code to the image; one object serves both streams.

    forward: the encoder's 8 feature maps (E1 ... E8, `width` as the encoder's) and the stream they come from ->
    (B, out_channels, H, W) float32 in [-1, 1]. The stream selects batch norm's running statistics, see TiedBatchNorm2d.

    Args:
        out_channels: of the image.
        width: as the encoder's; the paper's is 64.
        norm, norm_order, shortcut, unet_skips, keep, shared_running: as of `ModelSettings`.

    >>> import torch
    >>> from facedeblur.models import Encoder
    >>> Decoder(width=4).eval()(Encoder(width=4).eval()(torch.zeros(1, 3, 128, 128))).shape
    torch.Size([1, 3, 128, 128])
    """

    def __init__(
        self,
        out_channels: int = 3,
        width: int = 64,
        norm: str = "batch",
        norm_order: str = "conv_relu_bn",
        shortcut: str = "free",
        unet_skips: Sequence[tuple[str, str]] = (("E2", "F7"), ("E4", "F5")),
        keep: Sequence[float] = (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0),
        shared_running: bool = False,
    ) -> None:
        super().__init__()
        # decoder layer -> index of the encoder's feature map that joins its input
        self.skips = {into: int(source[1:]) - 1 for source, into in unet_skips}
        channels = [ENCODER_WIDTHS[7] * width, *(multiple * width for multiple in DECODER_WIDTHS)]
        self.layers = nn.ModuleList()
        for number in range(1, 8):
            # F-Conv. 1 is 1x1 at stride 2: output padding makes its size even, three of four positions hold the bias.
            kernel, padding, output_padding = (1, 0, 1) if number == 1 else (4, 1, 0)
            conv = nn.ConvTranspose2d(
                channels[number - 1] + self._skip_channels(number, width),
                channels[number],
                kernel,
                stride=2,
                padding=padding,
                output_padding=output_padding,
            )
            tied = TiedBatchNorm2d(channels[number], shared_running) if norm == "batch" else None
            self.layers.append(UpLayer(conv, tied, norm_order == "conv_relu_bn", keep[number - 1]))
        self.to_image = nn.ConvTranspose2d(channels[7] + self._skip_channels(8, width), out_channels, 4, padding=1)
        self.shortcuts = nn.ModuleDict(
            {
                f"F{n + 2}": Shortcut(channels[n], channels[n + 2], up=True, projection=shortcut == "projection")
                for n in RESIDUALS_AFTER
            }
        )
        init_pix2pix(self)

    def forward(self, features: Sequence[Tensor], stream: Stream = "blurry") -> Tensor:
        x = features[-1]
        outputs: list[Tensor] = []
        for number, layer in enumerate(self.layers, start=1):
            x = layer(self._join(x, number, features), stream)
            if f"F{number}" in self.shortcuts:
                x = x + self.shortcuts[f"F{number}"](outputs[number - 3])
            outputs.append(x)
        image = self.to_image(self._join(x, 8, features))
        # 4x4 at stride 1 gives one row and column too many; TensorFlow's SAME drops the last ones.
        # In float32 under autocast too: bfloat16 has half a grey level near -1 and 1.
        return torch.tanh(image[..., :-1, :-1].float())

    def _skip_channels(self, number: int, width: int) -> int:
        return ENCODER_WIDTHS[self.skips[f"F{number}"]] * width if f"F{number}" in self.skips else 0

    def _join(self, x: Tensor, number: int, features: Sequence[Tensor]) -> Tensor:
        source = self.skips.get(f"F{number}")
        return x if source is None else concatenate(x, features[source])
