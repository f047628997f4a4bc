"""The stacked hourglass of Newell et al. (2016): its trunk, and from image to image, the first step (section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import check_sides

# The stem divides the resolution by 4, each hourglass halves it 4 times more.
STEM_STRIDE = 4
DEPTH = 4
HOURGLASS_MULTIPLE = STEM_STRIDE * 2**DEPTH


class Residual(nn.Module):
    """Bottleneck of three convolutions, each after batch norm and ReLU: (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        middle = out_channels // 2
        self.branch = nn.Sequential(
            *_norm_relu(in_channels),
            nn.Conv2d(in_channels, middle, 1),
            *_norm_relu(middle),
            nn.Conv2d(middle, middle, 3, padding=1),
            *_norm_relu(middle),
            nn.Conv2d(middle, out_channels, 1),
        )
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # In place is safe here and below: the gradient does not need the sum's first part.
        return self.branch(x).add_(self.skip(x))


class Hourglass(nn.Module):
    """`depth` times down and up again by 2, with a residual block beside every level: (B, C, H, W) -> same."""

    def __init__(self, features: int, depth: int = DEPTH) -> None:
        super().__init__()
        self.beside = Residual(features, features)
        self.down = nn.Sequential(nn.MaxPool2d(2), Residual(features, features))
        self.inner = Hourglass(features, depth - 1) if depth > 1 else Residual(features, features)
        self.up = nn.Sequential(Residual(features, features), nn.Upsample(scale_factor=2, mode="nearest"))

    def forward(self, x: Tensor) -> Tensor:
        return self.beside(x).add_(self.up(self.inner(self.down(x))))


class HourglassStacks(nn.Module):
    """Hourglasses in a row at a quarter of the resolution, each with maps of its own to be supervised on.

    maps: (B, 3, H, W) in [-1, 1], sides multiples of 64 -> list of `stacks` maps (B, channels, H / 4, W / 4), the last
    the best. Raises ValueError on other sides. Convolutions keep PyTorch's initial weights, which are those of the
    original (Torch).
    """

    def __init__(self, features: int, stacks: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            *_norm_relu(64),
            Residual(64, 128),
            nn.MaxPool2d(2),
            Residual(128, 128),
            Residual(128, features),
        )
        self.hourglasses = nn.ModuleList(
            nn.Sequential(
                Hourglass(features),
                Residual(features, features),
                nn.Conv2d(features, features, 1),
                *_norm_relu(features),
            )
            for _ in range(stacks)
        )
        self.outputs = nn.ModuleList(nn.Conv2d(features, channels, 1) for _ in range(stacks))
        # What a stack found, and the maps it made of it, return to the trunk before the next stack.
        self.return_features = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in range(stacks - 1))
        self.return_outputs = nn.ModuleList(nn.Conv2d(channels, features, 1) for _ in range(stacks - 1))

    def maps(self, image: Tensor) -> list[Tensor]:
        check_sides(image, HOURGLASS_MULTIPLE)
        x = self.stem(image)
        maps = []
        for index, (hourglass, to_output) in enumerate(zip(self.hourglasses, self.outputs, strict=True)):
            found = hourglass(x)
            maps.append(to_output(found))
            if index < len(self.return_features):
                x = x + self.return_features[index](found) + self.return_outputs[index](maps[-1])
        return maps


class StackedHourglass(HourglassStacks):
    """From image to image: (B, 3, H, W) in [-1, 1] -> list of `stacks` images (B, 3, H, W), the last the best.

    Images are not squashed and can overshoot [-1, 1] slightly; ValueError on sides that are no multiples of 64.

    Args:
        features: channels of the hourglasses.
        stacks: number of hourglasses.
        head: what makes the image from the quarter-size map: "pixelshuffle" predicts each 4x4 block, "bilinear"
            predicts 3 channels and enlarges them.
        residual: every image is a correction, added to the input.

    >>> import torch
    >>> [tuple(image.shape) for image in StackedHourglass(features=8, stacks=2).eval()(torch.zeros(1, 3, 64, 64))]
    [(1, 3, 64, 64), (1, 3, 64, 64)]
    """

    def __init__(
        self, features: int = 256, stacks: int = 8, head: str = "pixelshuffle", residual: bool = False
    ) -> None:
        super().__init__(features, stacks, channels=3 * STEM_STRIDE**2 if head == "pixelshuffle" else 3)
        self.residual = residual
        self.enlarge = (
            nn.PixelShuffle(STEM_STRIDE)
            if head == "pixelshuffle"
            else nn.Upsample(scale_factor=STEM_STRIDE, mode="bilinear", align_corners=False)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        restored = [self.enlarge(output) for output in self.maps(image)]
        return [image + correction for correction in restored] if self.residual else restored

    def restore(self, image: Tensor) -> Tensor:
        """Return the last stack's image alone, (B, 3, H, W), limited to [-1, 1]."""
        return F.hardtanh(self(image)[-1])


def _norm_relu(channels: int) -> tuple[nn.Module, ...]:
    # Batch norm does not need its output for the gradient, so ReLU may overwrite it.
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
