"""The first layers of VGG19 (Simonyan and Zisserman, ICLR 2015), whose features a perceptual loss compares.

No weights come with the project: a file of torchvision's `vgg19` loads from a path.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.checkpoint import fill
from facedeblur.models.registry import WeightsError

CHANNELS = ((3, 64), (64, 64), None, (64, 128), (128, 128), None, (128, 256), (256, 256), (256, 256))  # None: halve


class VggFeatures(nn.Module):
    """Images (B, 3, H, W) -> features of conv3_3 before its ReLU (B, 256, H/4, W/4), without gradients to its weights.

    Images go in as they are, in [-1, 1] for DeblurGAN's loss, whose authors do not normalise them either.

    path: torch.save's file of torchvision's `vgg19`. Raises WeightsError naming the mismatch for another file.
    """

    def __init__(self, path: str | Path | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for pair in CHANNELS:
            layers += [nn.MaxPool2d(2)] if pair is None else [nn.Conv2d(*pair, 3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers[:-1])
        if path is not None:
            try:
                tensors = torch.load(path, map_location="cpu", weights_only=True)
                needed = {key: tensors[key] for key in self.state_dict() if key in tensors}
            except FileNotFoundError:
                raise WeightsError(f"{path}: no such file") from None
            except Exception as error:
                raise WeightsError(f"{path}: not readable as weights of VGG19 ({type(error).__name__})") from error
            fill(self.state_dict(), needed, path)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)


def perceptual_loss(features: VggFeatures, output: Tensor, sharp: Tensor) -> Tensor:
    """Mean squared difference of the features of two images (B, 3, H, W) in [-1, 1]; gradients only to the first."""
    with torch.no_grad():
        goal = features(sharp)
    return F.mse_loss(features(output).float(), goal.float())
