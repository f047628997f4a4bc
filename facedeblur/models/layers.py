"""Pieces that encoder and decoder share: the residual shortcut, the tied batch norm, the initial weights."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.settings import SIDE_MULTIPLE

Stream = Literal["blurry", "sharp"]


class Shortcut(nn.Module):
    """Residual connection over two layers, between resolutions four times apart ("without filtering", section 5.1).

    (B, in, H, W) -> (B, out, H/4, W/4) by averaging, or (B, out, 4H, 4W) by repeating when `up`. Channels are truncated
    or padded with zeros; with `projection` a 1x1 convolution maps them (He et al. 2016, option B) on the smaller map.
    """

    def __init__(self, in_channels: int, out_channels: int, up: bool, projection: bool) -> None:
        super().__init__()
        self.extra_channels = out_channels - in_channels
        self.up = up
        self.projection = nn.Conv2d(in_channels, out_channels, kernel_size=1) if projection else None

    def forward(self, x: Tensor) -> Tensor:
        if not self.up:
            x = F.avg_pool2d(x, 4)
        # F.pad with a negative width cuts channels off.
        x = self.projection(x) if self.projection is not None else F.pad(x, (0, 0, 0, 0, 0, self.extra_channels))
        return F.interpolate(x, scale_factor=4, mode="nearest") if self.up else x


class TiedBatchNorm2d(nn.Module):
    """Batch norm of the decoder that both streams use: one gamma and beta, running statistics for each stream.

    In training, every pass is normalised by its own batch. `running_mean` and `running_var` follow the blurry stream
    only, so that they match what the network meets when it deblurs; the sharp stream has buffers of its own, which
    only validation reads. `shared_running=True` lets both streams feed the one pair (RoCGAN).
    """

    def __init__(self, channels: int, shared_running: bool = False, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._buffer_prefix = {"blurry": "", "sharp": "" if shared_running else "sharp_"}
        for prefix in set(self._buffer_prefix.values()):
            self.register_buffer(f"{prefix}running_mean", torch.zeros(channels))
            self.register_buffer(f"{prefix}running_var", torch.ones(channels))

    def forward(self, x: Tensor, stream: Stream = "blurry") -> Tensor:
        prefix = self._buffer_prefix[stream]
        mean, var = getattr(self, f"{prefix}running_mean"), getattr(self, f"{prefix}running_var")
        return F.batch_norm(x, mean, var, self.weight, self.bias, self.training, self.momentum, self.eps)


class _Concatenate(torch.autograd.Function):
    """torch.cat over channels whose gradients are dense: as slices they send batch norm's gradient down a slow path."""

    @staticmethod
    def forward(ctx, first: Tensor, second: Tensor) -> Tensor:
        ctx.split = first.shape[1]
        return torch.cat([first, second], dim=1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        # clone keeps the order of the strides, so channels_last survives.
        return gradient[:, : ctx.split].clone(), gradient[:, ctx.split :].clone()


def concatenate(first: Tensor, second: Tensor) -> Tensor:
    """Concatenate (B, C1, H, W) and (B, C2, H, W) over channels."""
    if not torch.is_grad_enabled():  # exporters know the plain function only
        return torch.cat([first, second], dim=1)
    return _Concatenate.apply(first, second)


def check_sides(image: Tensor, multiple: int = SIDE_MULTIPLE) -> None:
    """Raise ValueError unless both sides of the (B, C, H, W) image are multiples of `multiple`."""
    height, width = image.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(f"image of {height}x{width} pixels: both sides must be multiples of {multiple}")


def init_pix2pix(network: nn.Module) -> nn.Module:
    """Draw weights from N(0, .02) and batch norm's gamma from N(1, .02), set biases to 0; returns the network."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d | TiedBatchNorm2d):
            mean = 0.0 if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) else 1.0
            nn.init.normal_(module.weight, mean, 0.02)
            nn.init.zeros_(module.bias)
    return network
