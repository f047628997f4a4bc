"""Faces out of a picture and back: the picture plus what the network changed, under a feathered mask.

The network sees a face at its own size, as in training. Pasted is not what it returns but how that differs from what it
was given, enlarged to the face's size: detail finer than the network's pixels stays, however large the face is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from facedeblur.faces.crop import CropBox, crop, resize

# Width of the mask's soft edge, as a share of the crop's side. The crop ends 0.19 of its side below the chin: what the
# network does to the whole face, and to what lies just behind it, is pasted in full. At 0.06 the edge cost 2 to 15 % of
# what the network gains in PSNR, half of it regained at 0.03; at 0.02 one sees where hair turns from sharp to blurred.
FEATHER = 0.03


def white_of(dtype: np.dtype) -> float:
    """The value of white: 255, 65535, or 1 for floats."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def network_crop(picture: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """A face at the network's size: (H, W, 3) -> float32 (size, size, 3) in [0, 1]."""
    face = crop(picture, box).astype(np.float32)
    return np.clip(resize(face, size) / np.float32(white_of(picture.dtype)), 0, 1)  # cubic interpolation overshoots


def feather(side: int) -> np.ndarray:
    """The mask of a crop, (side, side) float32: 1 inside, falling to 0 at the edges as half a cosine."""
    ramp = _ramp(side)
    return np.outer(ramp, ramp)


@lru_cache(maxsize=64)  # a line each: the masks themselves, of faces that change their size, would fill the memory
def _ramp(side: int) -> np.ndarray:
    margin = max(FEATHER * side, 1.0)
    centres = np.arange(side) + 0.5
    depth = np.minimum(centres, side - centres) / margin
    return np.where(depth < 1, 0.5 - 0.5 * np.cos(np.pi * np.minimum(depth, 1)), 1.0).astype(np.float32)


def paste(
    picture: np.ndarray,
    boxes: Sequence[CropBox],
    given: Sequence[np.ndarray],
    restored: Sequence[np.ndarray],
    strengths: Sequence[float] | None = None,
    masked: bool = True,
) -> np.ndarray:
    """A copy of `picture` with faces restored.

    A tint of the whole face is left out: motion moves light, but does not colour it. Where masks overlap, changes are
    not added up. Pixels outside the masks are those of `picture`.

    Args:
        picture: uint8, uint16 or float32 in [0, 1], (H, W, 3).
        boxes: where the faces were cut out.
        given, restored: what the network was given and what it made of it, float32 (size, size, 3) in [0, 1].
        strengths: the share in [0, 1] of each face's change that is applied; all of it by default.
        masked: False applies the changes to all of the boxes and leaves their colours alone.
    """
    result = picture.copy()
    height, width = picture.shape[:2]
    taken = np.zeros((height, width), np.float32) if masked and len(boxes) > 1 else None  # shares of pixels given away
    for box, before, after, strength in zip(boxes, given, restored, strengths or [1.0] * len(boxes), strict=True):
        top, left = max(box.y, 0), max(box.x, 0)
        bottom, right = min(box.y + box.side, height), min(box.x + box.side, width)
        if top >= bottom or left >= right or strength <= 0:
            continue
        change = after - before
        if masked:  # at the network's size, where it costs nothing
            change = untinted(change) * feather(change.shape[0])[..., None]
        inside = (slice(top - box.y, bottom - box.y), slice(left - box.x, right - box.x))
        place = (slice(top, bottom), slice(left, right))
        change = resize(change * np.float32(strength * white_of(picture.dtype)), box.side)[inside]
        if taken is not None:
            mask = feather(box.side)[inside]
            if taken[place].any():
                change = change * (np.minimum(mask, 1 - taken[place]) / mask)[..., None]
            taken[place] = np.minimum(taken[place] + mask, 1)
        result[place] = _added(result[place], change)
    return result


def _added(face: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Their sum in the type of `face`, rounded and within its range."""
    if face.dtype == np.float32:
        return np.clip(face + change, 0, 1)
    return cv2.add(face, change, dtype={"uint8": cv2.CV_8U, "uint16": cv2.CV_16U}[face.dtype.name])


def untinted(change: np.ndarray) -> np.ndarray:
    """A network's change (size, size, 3) without what it did to most pixels alike: the median of each channel.

    Not the mean, nor a broad average: those would spread the light that a moving edge loses here and gains there over
    its surroundings, as a halo.
    """
    return change - np.median(change.reshape(-1, 3), axis=0)


def whole_box(picture: np.ndarray) -> CropBox:
    """The square around a whole picture, centred; its border pixels fill what the picture lacks."""
    height, width = picture.shape[:2]
    side = max(height, width)
    return CropBox(-((side - width) // 2), -((side - height) // 2), side)
