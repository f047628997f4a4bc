"""LPIPS (Zhang et al. 2018), where its weights are at hand: distances of AlexNet's features, weighed by learned heads.

torchmetrics ships the heads; AlexNet itself, as torchvision names its tensors, has to be a file of the user's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.errors import UsageError

CHANNELS = (64, 192, 384, 256, 256)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1]


class LPIPS(nn.Module):
    """The learned distance of images; see `load` for files of weights.

    forward: images and references (B, 3, H, W) in [0, 1], sides of at least 35 pixels -> (B,), 0 for equal images.

    Args:
        alexnet: tensors `features.<n>.weight` and `.bias` of AlexNet's five convolutions.
        heads: tensors `lin<n>.model.1.weight`, one weight a channel.

    Raises:
        UsageError: a tensor is missing or of another shape; the message names it.
    """

    def __init__(self, alexnet: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        super().__init__()
        first, *others = CHANNELS
        sizes = [(3, first, 11, 4, 2), (first, others[0], 5, 1, 2)]
        sizes += [(a, b, 3, 1, 1) for a, b in zip(CHANNELS[1:-1], CHANNELS[2:], strict=True)]
        self.convolutions = nn.ModuleList(nn.Conv2d(*size) for size in sizes)
        self.heads = nn.ModuleList(nn.Conv2d(channels, 1, 1, bias=False) for channels in CHANNELS)
        for layer, number in zip(self.convolutions, (0, 3, 6, 8, 10), strict=True):
            for kind in ("weight", "bias"):
                _copy(getattr(layer, kind), alexnet, f"features.{number}.{kind}")
        for number, head in enumerate(self.heads):
            _copy(head.weight, heads, f"lin{number}.model.1.weight")
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, alexnet: str | Path, heads: str | Path | None = None) -> LPIPS:
        """From files of weights; `heads` None: those inside torchmetrics. Raises UsageError naming the file."""
        return cls(_read(Path(alexnet)), _read(_packaged_heads() if heads is None else Path(heads)))

    @torch.no_grad()
    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        if images.shape != references.shape or images.ndim != 4 or min(images.shape[-2:]) < 35:
            shapes = f"{tuple(images.shape)} and {tuple(references.shape)}"
            raise ValueError(f"LPIPS: two batches (B, 3, H, W) with sides of at least 35 expected, got {shapes}")
        distance = torch.zeros(len(images), device=images.device)
        for a, b, head in zip(self._features(images), self._features(references), self.heads, strict=True):
            distance += head((_unit(a) - _unit(b)).square()).mean(dim=(1, 2, 3))
        return distance

    def _features(self, images: Tensor) -> list[Tensor]:
        """The activations after each convolution."""
        x, found = (2 * images.float() - 1 - self.shift) / self.scale, []
        for number, layer in enumerate(self.convolutions):
            if number in (1, 2):
                x = F.max_pool2d(x, 3, stride=2)
            x = F.relu(layer(x))
            found.append(x)
        return found


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


@torch.no_grad()
def _copy(parameter: Tensor, weights: Mapping[str, Tensor], name: str) -> None:
    found = weights.get(name)
    if found is None or found.shape != parameter.shape:
        shape = "missing" if found is None else f"{tuple(found.shape)}"
        raise UsageError(f"LPIPS: {name} is {shape}, expected {tuple(parameter.shape)}")
    parameter.copy_(found)


def _packaged_heads() -> Path:
    spec = importlib.util.find_spec("torchmetrics")
    return Path(spec.origin).parent / "functional" / "image" / "lpips_models" / "alex.pth"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles fail in many ways
        raise UsageError(f"LPIPS: {path}: no readable file of weights ({type(error).__name__})") from error
