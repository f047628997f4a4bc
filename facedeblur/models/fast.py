"""The same network, faster at test time: batch norm folded away where that is exact, channels last, bfloat16.

Behind a convolution, batch norm is folded into its filters. In the paper's order (convolution, ReLU, batch norm) it
cannot go into the next filters: these see zeros around the image, where the shift of the norm would be missing. There
it stays, as one multiplication and one addition.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.decoder import UpLayer
from facedeblur.models.devices import native_bf16
from facedeblur.models.half_size import HalfSizeStep
from facedeblur.models.layers import TiedBatchNorm2d

PRECISIONS = ("auto", "32", "bf16")
Norm = nn.BatchNorm2d | TiedBatchNorm2d


class ScaleShift(nn.Module):
    """What batch norm is in evaluation mode, a scale and a shift for each channel: (B, C, H, W) -> same."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())

    def forward(self, x: Tensor, stream: str = "blurry") -> Tensor:
        if x.dtype == torch.float32:
            return torch.addcmul(self.shift[:, None, None], x, self.scale[:, None, None])
        # batch norm's kernel reads half-precision images with float32 scales, which nothing else does in one pass
        zero, one = torch.zeros_like(self.shift), torch.ones_like(self.scale)
        return F.batch_norm(x, zero, one, self.scale, self.shift, training=False, eps=0.0)


class InBfloat16(nn.Module):
    """A network under autocast to bfloat16, filters stored as such; images in and out stay float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.to(torch.bfloat16)

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, torch.bfloat16):
            return self.network(image).float()


def accelerated(deblurrer: NetworkDeblurrer, precision: str = "auto", compiled: bool = False) -> NetworkDeblurrer:
    """A faster Deblurrer with the same networks, on the same device; the one given stays as it is.

    Args:
        precision: "32" (equal but for rounding), "bf16" (within about a grey level), or "auto": bf16 where the
            hardware computes in it.
        compiled: with `torch.compile`, which needs a C++ compiler and some minutes before the first image of each size.

    Raises:
        ValueError: another precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision: must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    network = folded(deblurrer.network).to(memory_format=torch.channels_last)
    device = next(network.parameters()).device
    halved = precision == "bf16" or (precision == "auto" and native_bf16(device.type))

    def ready(network: nn.Module, size: int | None) -> NetworkDeblurrer:
        network = InBfloat16(network) if halved else network
        return NetworkDeblurrer(torch.compile(network) if compiled else network, size=size)

    faster = ready(network, deblurrer.size)
    for module in network.modules() if deblurrer.smaller is not None else ():
        if isinstance(module, HalfSizeStep):  # folded with the network that it is in
            faster.smaller = ready(module.network, deblurrer.smaller.size)
    return faster


def folded(network: nn.Module) -> nn.Module:
    """A copy for evaluation, without gradients and without batch norm."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in [*network.modules()]:
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
        elif isinstance(module, UpLayer) and module.norm is not None and not module.relu_first:
            _fold(module.conv, module.norm)
            module.norm = None
    for module in [*network.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, Norm):
                setattr(module, name, ScaleShift(child))
    return network


def _fold_sequence(sequence: nn.Sequential) -> None:
    for index in range(1, len(sequence)):
        conv, norm = sequence[index - 1], sequence[index]
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, Norm):
            _fold(conv, norm)
            sequence[index] = nn.Identity()


def _fold(conv: nn.Conv2d | nn.ConvTranspose2d, norm: Norm) -> None:
    statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    transposed = isinstance(conv, nn.ConvTranspose2d)
    conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, transpose=transposed)
    conv.requires_grad_(False)
