from torch import Tensor, nn


class Net(nn.Module):
    """A generator: (B, channels, H, W) in [-1, 1], the blurry image in the first 3 channels -> (B, 3, H, W)."""

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, 3, 5, padding=2), nn.Tanh()
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)
