"""A network of half the size as the first step of a larger one: the paper's two steps (section 3.2), at two sizes.

A face that fills 256 pixels is restored at 128 by a network that was trained for long; the second step sees the result
beside the blurry image and adds what 128 pixels cannot hold. It is fully convolutional over what the first step saw.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.layers import check_sides


class HalfSizeStep(nn.Module):
    """Restores an image at half its size: (B, 3, H, W) in [-1, 1], the sides even -> same.

    As in the front door, what the small network changed is enlarged, not what it returned: detail finer than its pixels
    stays. Raises ValueError on odd sides, and what the network raises on sides it does not take.

    Args:
        network: the small network at test time, its own first step included: (B, 3, H/2, W/2) in [-1, 1] -> same.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def restore(self, image: Tensor) -> Tensor:
        check_sides(image, 2)
        half = F.avg_pool2d(image, 2)  # areas, as faces are made smaller everywhere
        change = self.network(half).float() - half
        enlarged = F.interpolate(change, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.clamp(image + enlarged, -1, 1)
