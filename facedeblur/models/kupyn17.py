"""DeblurGAN of Kupyn et al., arXiv 1711.07064 (CVPR 2018): the generator and the critic.

Section 3 and figure 3. A residual block has two convolutions, as in the paper and in the released weights; at its head
the authors' repository builds blocks of one, by a slip of operator precedence. Attributes are numbered as in the
authors' files, so that these load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

MULTIPLE = 4  # sides must be multiples of it
SMALLEST = 8  # and at least this: smaller ones have nothing to reflect at a quarter of the resolution
BLOCKS = 9


class ResBlock(nn.Module):
    """x + two reflected 3x3 convolutions with instance norm, dropout between: (B, C, H, W) -> same, sides from 2."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)),
            *(nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    """Blurry (B, 3, H, W) in [-1, 1], sides multiples of 4 and at least 8 -> restored, same.

    The network gives a correction, which is added to its input (ResOut of the paper).

    Args:
        width: channels at full resolution; 64 in the paper.
        blocks: residual blocks at a quarter of the resolution; 9 in the paper.
        dropout: probability that a unit of a block is dropped; 0.5 in the paper. Off in evaluation mode, whereas the
            authors leave it on: the result would be another one every time.

    Raises:
        ValueError: on other sides.
    """

    def __init__(self, width: int = 64, blocks: int = BLOCKS, dropout: float = 0.5) -> None:
        super().__init__()
        w = width
        self.model = nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU(inplace=True)),
            *_strided(nn.Conv2d(w, 2 * w, 3, stride=2, padding=1)),
            *_strided(nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1)),
            *(ResBlock(4 * w, dropout) for _ in range(blocks)),
            *_strided(nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1)),
            *_strided(nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1)),
            *(nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh()),
        )
        init_normal(self)

    def forward(self, blurry: Tensor) -> Tensor:
        height, width = blurry.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE or min(height, width) < SMALLEST:
            raise ValueError(f"image of {height}x{width} pixels: sides must be multiples of {MULTIPLE} from {SMALLEST}")
        return (blurry + self.model(blurry).float()).clamp(-1, 1)


class Critic(nn.Module):
    """The critic of section 3.1, a PatchGAN that sees one image: (B, 3, H, W) in [-1, 1] -> scores (B, 1, h, w).

    4x4 convolutions of strides 2, 2, 2, 1, 1, with instance norm; its scores are no probabilities. Sides from 16 on.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2, inplace=True)]
        for inputs, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            layers.append(nn.Conv2d(inputs, 2 * inputs, 4, stride=stride, padding=2))
            layers += [nn.InstanceNorm2d(2 * inputs), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=2))
        init_normal(self)

    def forward(self, image: Tensor) -> Tensor:
        return self.model(image)


def init_normal(network: nn.Module) -> None:
    """Draws every filter from N(0, .02) and sets biases to 0, as the authors do."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            nn.init.zeros_(module.bias)


def _strided(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU(inplace=True)
