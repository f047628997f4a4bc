"""The encoder of both generators: Table 3(a)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import Shortcut, check_sides, init_pix2pix

# Channels of Conv. 1 ... 8 in units of the base width: 64, 128, 256, 512, 512, 512, 512, 256 in the paper.
ENCODER_WIDTHS = (1, 2, 4, 8, 8, 8, 8, 4)
# A residual connection leaves after each of these layers and joins the output of the second layer after it.
RESIDUALS_AFTER = (1, 3, 5)


class Encoder(nn.Module):
    """Eight convolutions from the image to a code 128 times smaller; every layer's output is kept for U-net skips.

    forward: (B, in_channels, H, W) in [-1, 1], sides multiples of 128 -> list of 8 tensors, E1 (B, w, H, W), E2
    (B, 2w, H/2, W/2) ... E8, the code, (B, 4w, H/128, W/128), with w = `width`; ValueError on other sides.

    Args:
        in_channels: 3 of an image, 6 of an image and its first restoration.
        width: channels of the first layer; the paper's are 64.
        norm, norm_order, shortcut: as of `ModelSettings`.

    >>> import torch
    >>> [tuple(features.shape[1:]) for features in Encoder(width=4).eval()(torch.zeros(1, 3, 128, 128))][::7]
    [(4, 128, 128), (16, 1, 1)]
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        norm: str = "batch",
        norm_order: str = "conv_relu_bn",
        shortcut: str = "free",
    ) -> None:
        super().__init__()
        channels = [in_channels, *(multiple * width for multiple in ENCODER_WIDTHS)]
        layers = [_layer(channels[0], channels[1], 4, stride=1, padding=0, norm="none")]
        for number in range(2, 8):
            layers.append(_layer(channels[number - 1], channels[number], 4, 2, 1, norm, norm_order))
        layers.append(_layer(channels[7], channels[8], 1, 2, 0, norm, norm_order))
        self.layers = nn.ModuleList(layers)
        self.shortcuts = nn.ModuleDict(
            {
                f"E{n + 2}": Shortcut(channels[n], channels[n + 2], up=False, projection=shortcut == "projection")
                for n in RESIDUALS_AFTER
            }
        )
        init_pix2pix(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        check_sides(image)
        # TensorFlow's SAME: a 4x4 filter at stride 1 keeps the size with one more row after than before.
        x = F.pad(image, (1, 2, 1, 2))
        features: list[Tensor] = []
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if f"E{number}" in self.shortcuts:
                x = x + self.shortcuts[f"E{number}"](features[number - 3])
            features.append(x)
        return features


def _layer(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int,
    padding: int,
    norm: str,
    norm_order: str = "conv_relu_bn",
) -> nn.Sequential:
    # In place is safe in both orders: neither convolution nor batch norm needs its output for the gradient.
    after: list[nn.Module] = [nn.ReLU(inplace=True)]
    if norm == "batch":
        after.insert(1 if norm_order == "conv_relu_bn" else 0, nn.BatchNorm2d(out_channels))
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, stride, padding), *after)
