"""NAF blocks: a residual block without an activation function (Chen et al., "Simple Baselines for Image Restoration").

ECCV 2022, section 3 and figure 3c: layer norm over the channels of each pixel, a depthwise convolution, products of two
halves of the channels instead of an activation, and one gain a channel from the image's mean. Attributes are named as
in the authors' files, so that their weights load as they are. Networks of these blocks run fastest with
`.to(memory_format=torch.channels_last)`: the norm then needs no copy.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of every pixel by itself: (B, C, H, W) -> same, in channels-last order."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # a view where x is channels-last, which is what the kernel wants
        return F.layer_norm(pixels, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as one matrix product over the pixels: (B, in, H, W) -> (B, out, H, W), channels last.

    In float32 on one core the general convolution copies every image to channels first and back.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class _Gate(torch.autograd.Function):
    """The product of two halves whose gradient is written into one tensor, without two padded with zeros and added."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        first, second = x.chunk(2, dim=1)
        return first * second

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        first, second = x.chunk(2, dim=1)
        result = torch.empty_like(x)
        for half, other in zip(result.chunk(2, dim=1), (second, first), strict=True):
            torch.mul(gradient, other, out=half)
        return result


def simple_gate(x: Tensor) -> Tensor:
    """The product of the two halves of the channels: (B, 2C, H, W) -> (B, C, H, W)."""
    if torch.is_grad_enabled():
        return _Gate.apply(x)
    first, second = x.chunk(2, dim=1)  # exporters know the plain operations only
    return first * second


class NAFBlock(nn.Module):
    """(B, C, H, W) -> same. Untrained it returns its input: the gains beta and gamma of its two branches start at 0.

    Args:
        channels: C.
        expand: channels of both branches before the gate, in units of C (2 in the paper); even times C.
        keep: probability that a value of a branch is kept by dropout.

    Raises:
        ValueError: the gate cannot halve the channels.
    """

    def __init__(self, channels: int, expand: int = 2, keep: float = 1.0) -> None:
        super().__init__()
        wide = expand * channels
        if wide % 2:
            raise ValueError(f"the gate halves the channels: {expand} * {channels} must be even")
        self.norm1 = LayerNorm2d(channels)
        self.conv1 = Pointwise(channels, wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), Pointwise(wide // 2, wide // 2))
        self.conv3 = Pointwise(wide // 2, channels)
        self.norm2 = LayerNorm2d(channels)
        self.conv4 = Pointwise(channels, wide)
        self.conv5 = Pointwise(wide // 2, channels)
        self.dropout = nn.Dropout(1 - keep)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        # the gain of a channel is one number an image: cheaper in the filters' input than as a pass of its own
        y = self.dropout(self.conv3(y * self.sca(y)))
        x = torch.addcmul(x, y.to(x.dtype), self.beta.to(x.dtype))
        y = self.dropout(self.conv5(simple_gate(self.conv4(self.norm2(x)))))
        return torch.addcmul(x, y.to(x.dtype), self.gamma.to(x.dtype))


def downsample(channels: int) -> nn.Conv2d:
    """(B, C, H, W) -> (B, 2C, H/2, W/2) by a 2x2 convolution of stride 2."""
    return nn.Conv2d(channels, 2 * channels, 2, stride=2)


def upsample(channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C/2, 2H, 2W) by a 1x1 convolution without bias and a pixel shuffle."""
    return nn.Sequential(Pointwise(channels, 2 * channels, bias=False), nn.PixelShuffle(2))
