import torch
from torch import Tensor, nn


class Critic(nn.Module):
    """A discriminator: candidate and blurry image, (B, 3, H, W) in [-1, 1] -> logits and features (for Eq. 4)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(6, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2))
        self.logits = nn.Conv2d(width, 1, 4, padding=1)

    def forward(self, candidate: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(torch.cat([candidate, blurry], 1))
        return self.logits(features), features
