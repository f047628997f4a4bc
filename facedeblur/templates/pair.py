import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Somebody else's network, as it was found."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.out = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.down1(image)
        return self.out(torch.cat([self.up(self.down2(first)), first], 1))


class Encoder(nn.Module):
    """Its first half: an image to feature maps."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.down1, self.down2 = net.down1, net.down2

    def forward(self, image: Tensor) -> list[Tensor]:
        first = self.down1(image)
        return [first, self.down2(first)]


class Decoder(nn.Module):
    """Its second half: feature maps to an image in [-1, 1]; `stream` says whose they are."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.up, self.out = net.up, net.out

    def forward(self, features: list[Tensor], stream: str) -> Tensor:
        first, code = features
        return torch.tanh(self.out(torch.cat([self.up(code), first], 1)))


class UNetPair:
    """The two plug-ins of section 3.2 around it: encoders for 3 and 6 channels, one decoder for both streams."""

    def __init__(self, width: int = 16) -> None:
        self.width, self.decoder = width, Decoder(UNet(3, width))

    def encoder(self, channels: int) -> Encoder:
        return Encoder(UNet(channels, self.width))
