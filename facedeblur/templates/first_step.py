from torch import Tensor, nn


class FirstStep(nn.Module):
    """What restores the low frequencies in the hourglass's place; trained first, then frozen."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.ReLU(), nn.Conv2d(width, 3, 9, padding=4))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> the images that are compared with the sharp one, the best last."""
        return [image + self.layers(image)]

    def restore(self, image: Tensor) -> Tensor:
        return self(image)[-1]
