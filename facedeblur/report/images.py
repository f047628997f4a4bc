"""Pictures on their way into a page: scaled, annotated with landmarks, encoded as data URIs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.images import encode_image, read_image

# The parts of the 68-point scheme (300-W) as polylines: (first, last + 1, closed).
PARTS = (
    (0, 17, False),
    (17, 22, False),
    (22, 27, False),
    (27, 31, False),
    (31, 36, False),
    (36, 42, True),
    (42, 48, True),
    (48, 60, True),
    (60, 68, True),
)


def read_rgb(path: str | Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB. Raises UsageError when it is missing or broken."""
    image = read_image(path)
    if image is None:
        raise UsageError(f"{path}: no readable image: it is missing or broken")
    return image


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) scaled so that its longer side is `side` pixels: bicubic upwards, area-averaged downwards."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def with_landmarks(
    image: np.ndarray, found: np.ndarray | None, truth: np.ndarray | None = None, side: int = 256
) -> np.ndarray:
    """The image at `side` pixels with the true landmarks as dark-edged white lines and the found ones as dots on top.

    Args:
        image: (H, W, 3) uint8 RGB.
        found, truth: (68, 2) x, y in pixels of `image`, or None.
    """
    drawn = np.ascontiguousarray(enlarged(image, side))
    # OpenCV takes fixed-point coordinates: `shift` fractional bits. Pixel centres are at whole numbers on both scales.
    scale, shift = drawn.shape[1] / image.shape[1], 4

    def placed(points: np.ndarray) -> np.ndarray:
        return np.round(((points + 0.5) * scale - 0.5) * 2**shift).astype(np.int32)

    if truth is not None:
        lines = placed(truth)
        for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            for first, last, closed in PARTS:
                cv2.polylines(drawn, [lines[first:last]], closed, colour, width, cv2.LINE_AA, shift)
    if found is not None:
        for x, y in placed(found):
            cv2.circle(drawn, (int(x), int(y)), 3 << shift, (0, 0, 0), -1, cv2.LINE_AA, shift)
            cv2.circle(drawn, (int(x), int(y)), 2 << shift, (255, 214, 10), -1, cv2.LINE_AA, shift)
    return drawn


def data_uri(image: np.ndarray | str | Path, quality: int = 92) -> str:
    """An (H, W, 3) RGB uint8 array as JPEG, or a PNG, JPEG or SVG file as it is, as a data URI.

    Args:
        quality: of the JPEG; 0 writes a lossless PNG.
    """
    if isinstance(image, (str, Path)):
        kind = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".svg": "svg+xml"}[Path(image).suffix.lower()]
        data = Path(image).read_bytes()
    else:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if quality else []
        kind, data = "jpeg" if quality else "png", encode_image(image, ".jpg" if quality else ".png", options)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
