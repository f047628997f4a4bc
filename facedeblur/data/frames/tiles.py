"""What is kept of a frame: a square tile around the face, at the scale that training needs.

All tiles of a run (consecutive frames of one face in one shot) lie on one grid: the frame, scaled by one factor for the
whole run. A tile follows its face in jumps: it stays where it is while the face has room around it, and is centred anew
when it has not. So the frames of a window are averaged by adding pixels of the same place, and motion is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.sparse import csr_array

from facedeblur.faces.crop import CropBox
from facedeblur.settings import check_range

STEP = 16  # pixels: sides of tiles are multiples of it, and of the blocks of JPEG


@dataclass(frozen=True)
class TileSettings:
    """How much of a frame is kept, and how finely.

    Attributes:
        size: side of the training images in pixels.
        oversample: pixels of a tile for one of the image; 1.5 keeps pairs within half a grey level of those of the
            stream.
        margin: side of the tile over side of the face's crop: room for the motion and for augmentation.

    Raises:
        ValueError: naming the field.
    """

    size: int = 128
    oversample: float = 1.5
    margin: float = 1.4

    def __post_init__(self) -> None:
        check_range(self, 1, 4, "oversample")
        check_range(self, 1.1, 4, "margin")

    @property
    def face(self) -> float:
        """Side in tile pixels that a crop of median size gets."""
        return self.size * self.oversample

    @property
    def side(self) -> int:
        """Side of a tile in pixels."""
        return STEP * int(np.ceil(self.face * self.margin / STEP))

    @property
    def room(self) -> float:
        """Tile pixels that stay free around a face: it may come so near to the edge before the tile follows."""
        return (self.side - self.face) / 4

    @property
    def bytes(self) -> int:
        """Of one tile."""
        return 3 * self.side**2


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the tiles of a run lie.

    Attributes:
        scale: tile pixels per pixel of the frame, at most 1: nothing is enlarged before it is stored.
        offsets: (n, 2) int32: x and y of each tile's corner on the scaled grid.
    """

    scale: float
    offsets: np.ndarray

    def box(self, index: int, box: CropBox) -> tuple[float, float, float]:
        """(x, y, side) of a crop box of the frame in pixels of tile `index`: left and top edge, and extent."""
        x, y = self.offsets[index]
        return box.x * self.scale - x, box.y * self.scale - y, box.side * self.scale


def place_tiles(boxes: Sequence[CropBox], settings: TileSettings) -> Placement:
    """Places the tiles of a run whose faces have these crop boxes, one for each frame."""
    found = np.array(boxes, np.float64).reshape(-1, 3)
    free = settings.side - 2 * settings.room
    scale = min(1.0, settings.face / float(np.median(found[:, 2])), free / float(found[:, 2].max()))
    low = found[:, :2] * scale
    high = low + found[:, 2:] * scale
    centred = np.rint((low + high) / 2 - settings.side / 2).astype(np.int32)
    offsets = np.empty_like(centred)
    current = centred[0]
    for index in range(len(found)):
        near = low[index] < current + settings.room, high[index] > current + settings.side - settings.room
        if np.any(near):
            current = centred[index]
        offsets[index] = current
    return Placement(scale, offsets)


def cut_tile(frame: np.ndarray, scale: float, offset: Sequence[int], side: int) -> np.ndarray:
    """The tile at `offset` of a frame (H, W, 3) uint8 scaled by `scale`: (side, side, 3) uint8.

    Pixels are means over the areas they cover; outside the frame its border is repeated.
    """
    height, width = frame.shape[:2]
    columns = _areas(int(offset[0]), side, scale, width)
    rows = _areas(int(offset[1]), side, scale, height)
    seen = frame[rows.first : rows.last, columns.first : columns.last]
    if scale == 1.0:
        return seen[rows.pixels[:, None], columns.pixels]
    tall, wide = seen.shape[:2]
    reduced = rows.weights @ seen.astype(np.float32).reshape(tall, -1)
    turned = cv2.transpose(reduced.reshape(side, wide, 3)).reshape(wide, -1)
    return cv2.transpose(cv2.convertScaleAbs((columns.weights @ turned).reshape(side, side, 3)))


@dataclass(frozen=True, eq=False)
class _Axis:
    """One direction of a cut: pixels [first, last) of the frame are read; `weights` (side, last - first) average them,
    or, at scale 1, `pixels` (side,) picks them."""

    first: int
    last: int
    weights: csr_array
    pixels: np.ndarray


@lru_cache(maxsize=64)  # a tile stays in place for many frames
def _areas(offset: int, side: int, scale: float, extent: int) -> _Axis:
    edges = (offset + np.arange(side + 1)) / scale
    begin = np.floor(edges[:-1] + 1e-9).astype(np.int64)
    end = np.maximum(np.ceil(edges[1:] - 1e-9).astype(np.int64), begin + 1)
    counts = end - begin
    starts = np.concatenate([[0], np.cumsum(counts)])
    part = np.repeat(np.arange(side), counts)
    pixels = np.arange(starts[-1]) - starts[part] + begin[part]
    covered = np.minimum(edges[part + 1], pixels + 1) - np.maximum(edges[part], pixels)
    clipped = np.clip(pixels, 0, extent - 1)
    first, last = int(clipped.min()), int(clipped.max()) + 1
    weights = csr_array(((covered * scale).astype(np.float32), clipped - first, starts), shape=(side, last - first))
    return _Axis(first, last, weights, np.clip(begin, 0, extent - 1) - first)
