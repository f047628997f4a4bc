"""Our own localiser behind the `Localizer` protocol: a stacked hourglass on a square crop around the detector's box."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from facedeblur.faces.crop import CropBox, crop, points_from_crop, resize
from facedeblur.faces.mirror import mirror_points
from facedeblur.faces.protocols import Box
from facedeblur.models.checkpoint import load_landmark_network
from facedeblur.models.landmarks import LandmarkHourglass

# Side of the network's crop / longer side of the detector's box, which ends above the chin and inside the ears. Of
# 1,200 annotated photos every point lies within 1.52; the rest is room for the detector's error.
MARGIN = 1.6


def localizer_crop(box: Box, margin: float = MARGIN) -> CropBox:
    """The square around a detector's box that a localiser sees, to the pixel."""
    x0, y0, x1, y1 = box
    side = max(2, round(margin * max(x1 - x0, y1 - y0)))
    return CropBox(round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2), side)


class HourglassLocalizer:
    """68 points by a trained LandmarkHourglass, the mean of what it finds in the crop and in its mirror image.

    Args:
        network: moved to `device` and set to evaluation mode.
        size: side in pixels of the crop that it was trained on.
        batch: faces per forward pass.
    """

    def __init__(self, network: LandmarkHourglass, size: int, device: str | torch.device = "cpu", batch: int = 16):
        self.network = network.eval().to(device=device, memory_format=torch.channels_last)
        self.size, self.device, self.batch = size, torch.device(device), batch

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> HourglassLocalizer:
        """The localiser of a run folder of `experiment=localizer`, or of one of its checkpoints.

        Raises:
            CheckpointError: naming what is missing or does not fit.
        """
        network, settings = load_landmark_network(path)
        return cls(network, settings.image_size, device)

    def localize(self, image: np.ndarray, box: Box) -> np.ndarray:
        """See `Localizer`: (68, 2) float32 pixels. Always answers; whether there is a face is the caller's question."""
        return self.localize_many([image], [box])[0]

    def localize_many(self, images: Sequence[np.ndarray], boxes: Sequence[Box]) -> np.ndarray:
        """One face in each of N images, RGB uint8 (H, W, 3) of any sizes: (N, 68, 2) float32 pixels."""
        squares = [localizer_crop(box) for box in boxes]
        crops = [resize(crop(image, square), self.size) for image, square in zip(images, squares, strict=True)]
        found = np.empty((len(crops), 68, 2), np.float32)
        for start in range(0, len(crops), self.batch):
            found[start : start + self.batch] = self.in_crops(np.stack(crops[start : start + self.batch]))
        for points, square in zip(found, squares, strict=True):
            points[:] = points_from_crop(points, square, self.size)
        return found

    def in_crops(self, crops: np.ndarray) -> np.ndarray:
        """The points of (B, size, size, 3) uint8 crops, in pixels of the crops: (B, 68, 2) float32."""
        both = np.concatenate([crops, crops[:, :, ::-1]])
        images = torch.from_numpy(both).to(self.device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            points = self.network.locate(images.float().div_(127.5).sub_(1)).cpu().numpy()
        straight, mirrored = np.split(points, 2)
        return (straight + mirror_points(mirrored, self.size)) / 2
