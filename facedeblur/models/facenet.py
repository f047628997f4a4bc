"""Inception-ResNet v1, the network of FaceNet, under the names that public weight files use.

Schroff et al. (2015) trained FaceNet; the weights people have are those of its open re-implementations (VGGFace2 and
CASIA-WebFace), whose PyTorch port (facenet-pytorch) named the layers as here. 160 x 160 faces give 512 numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FACE_SIZE = 160
DIMENSIONS = 512


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm, ReLU. `kernel` may be a pair; "same" padding unless `padding` is given."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padding=0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class ResidualBlock(nn.Module):
    """x + scale * conv(concatenated branches), then ReLU unless it is the last block."""

    def __init__(self, branches: list[nn.Module], channels: int, merged: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        self.count, self.scale, self.relu = len(branches), scale, relu
        for number, branch in enumerate(branches):
            setattr(self, f"branch{number}", branch)
        self.conv2d = nn.Conv2d(merged, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        merged = torch.cat([getattr(self, f"branch{n}")(x) for n in range(self.count)], dim=1)
        x = x + self.scale * self.conv2d(merged)
        return F.relu(x) if self.relu else x


class Reduction(nn.Module):
    """Concatenated branches at half the resolution; the last one is a maximum."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            setattr(self, f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [getattr(self, f"branch{n}")(x) for n in range(self.count)]
        return torch.cat([*outputs, F.max_pool2d(x, 3, stride=2)], dim=1)


def block35() -> ResidualBlock:
    narrow, wide = lambda: ConvBlock(256, 32, 1), lambda: ConvBlock(32, 32, 3, padding=1)
    branches = [narrow(), nn.Sequential(narrow(), wide()), nn.Sequential(narrow(), wide(), wide())]
    return ResidualBlock(branches, 256, 96, scale=0.17)


def crossed_block(channels: int, width: int, size: int, scale: float, relu: bool = True) -> ResidualBlock:
    """Two branches of `width` channels; one goes on with a row of `size` pixels and a column of as many."""
    rows = ConvBlock(width, width, (1, size), padding=(0, size // 2))
    columns = ConvBlock(width, width, (size, 1), padding=(size // 2, 0))
    branches = [ConvBlock(channels, width, 1), nn.Sequential(ConvBlock(channels, width, 1), rows, columns)]
    return ResidualBlock(branches, channels, 2 * width, scale, relu)


class InceptionResnetV1(nn.Module):
    """Faces (B, 3, 160, 160), RGB, (pixel - 127.5) / 128 -> embeddings (B, 512) of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = ConvBlock(3, 32, 3, stride=2)
        self.conv2d_2a = ConvBlock(32, 32, 3)
        self.conv2d_2b = ConvBlock(32, 64, 3, padding=1)
        self.conv2d_3b = ConvBlock(64, 80, 1)
        self.conv2d_4a = ConvBlock(80, 192, 3)
        self.conv2d_4b = ConvBlock(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = Reduction(
            [
                ConvBlock(256, 384, 3, stride=2),
                nn.Sequential(
                    ConvBlock(256, 192, 1), ConvBlock(192, 192, 3, padding=1), ConvBlock(192, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*(crossed_block(896, 128, 7, scale=0.10) for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(ConvBlock(896, 256, 1), ConvBlock(256, 384, 3, stride=2)),
                nn.Sequential(ConvBlock(896, 256, 1), ConvBlock(256, 256, 3, stride=2)),
                nn.Sequential(
                    ConvBlock(896, 256, 1), ConvBlock(256, 256, 3, padding=1), ConvBlock(256, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*(crossed_block(1792, 192, 3, scale=0.20) for _ in range(5)))
        self.block8 = crossed_block(1792, 192, 3, scale=1.0, relu=False)
        self.last_linear = nn.Linear(1792, DIMENSIONS, bias=False)
        self.last_bn = nn.BatchNorm1d(DIMENSIONS, eps=0.001)

    def forward(self, faces: Tensor) -> Tensor:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(faces)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_2(self.mixed_6a(x))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        return F.normalize(self.last_bn(self.last_linear(x.mean(dim=(2, 3)))), dim=1)
