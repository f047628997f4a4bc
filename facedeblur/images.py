"""Images in files and in memory: RGB uint8 (H, W, 3) here, OpenCV's BGR nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.files import shown, write_atomic

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff",
    ".webp",
)  # fmt: skip

_BAND = 16  # rows


def read_image(path: str | Path) -> np.ndarray | None:
    """An image file as RGB uint8 (H, W, 3), upright; None where it is missing or broken."""
    try:
        return decode_image(Path(path).read_bytes())
    except OSError:
        return None


def decode_image(data: bytes) -> np.ndarray | None:
    """A file's content as RGB uint8 (H, W, 3), upright; None where it is no whole image.

    HEIC needs the extra `heif`.
    """
    if data[4:8] == b"ftyp" or data[:4] == b"GIF8":
        return _by_pillow(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _by_pillow(data: bytes) -> np.ndarray | None:
    """AVIF, HEIC and GIF, which OpenCV does not know or does not turn upright: the first picture in the file."""
    from PIL import Image, ImageOps

    register_heif()
    try:
        with Image.open(BytesIO(data)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError, Image.DecompressionBombError):
        return None


def register_heif() -> bool:
    """Lets Pillow open HEIC; whether that is possible."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def named_images(folder: Path) -> dict[str, Path]:
    """Path below a folder, without suffix -> image file, sorted; hidden files do not count.

    Raises:
        UsageError: two files of one name.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file():
            other = found.setdefault(file.relative_to(folder).with_suffix("").as_posix(), file)
            if other != file:
                raise UsageError(f"{shown(file)}: {other.name} has the same name, and one partner is not two")
    return found


def encode_image(image: np.ndarray, suffix: str = ".png", options: Sequence[int] = ()) -> bytes:
    """RGB uint8 (H, W, 3) as the content of a file of this kind; `options` of OpenCV's `imencode`."""
    try:
        encoded, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), list(options))
    except cv2.error as error:
        raise ValueError(f"cannot encode an image of shape {image.shape}") from error
    if not encoded:
        raise ValueError(f"cannot encode an image of shape {image.shape}")
    return data.tobytes()


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes RGB uint8 (H, W, 3), atomically."""
    write_atomic(path, encode_image(image))


def changed_part(before: np.ndarray, after: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns of the smallest rectangle in which two pictures (H, W, C) differ; None where they are equal.

    A few rows at a time, so that what is compared stays in the processor's cache: half a millisecond for 720p.
    """
    bands = range(0, len(before), _BAND)
    different = [top for top in bands if (before[top : top + _BAND] != after[top : top + _BAND]).any()]
    if not different:
        return None
    top, bottom = different[0], different[-1] + _BAND
    values = before[top:bottom] != after[top:bottom]
    rows = np.flatnonzero(values.reshape(len(values), -1).any(axis=1))
    columns = np.flatnonzero(values.any(axis=0).any(axis=1))
    return slice(top + int(rows[0]), top + int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
