"""Photos in and out: upright pixels with what belongs to them, from files that may be anything."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from facedeblur.errors import UsageError
from facedeblur.extras import remedy
from facedeblur.images import register_heif
from facedeblur.inference.exif import exif_of, iptc_of, iptc_segment, resolution_of, tags_of_tiff, upright_xmp, xmp_of
from facedeblur.inference.kinds import PICTURE, kind_of
from facedeblur.inference.png import SIGNATURE, TEXTS, Chunk, PngParts, put_together, taken_apart

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
_OPTIONS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True, "exact": True}}

# what Pillow and cv2 raise at pictures and EXIF that are damaged, or that a format cannot hold
_FAULTS = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, cv2.error,
)  # fmt: skip

_SETS = ("MPO", "HEIF")  # several views of one photo, of which the first counts
_READABLE = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_SIXTEEN = ("I;16", "I;16B", "I;16L")


class PhotoError(UsageError):
    """A picture that cannot be read, or not be written in the wanted format."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture, upright, and what has to go with it.

    Attributes:
        pixels: RGB uint8 or uint16 (H, W, 3); three equal channels where the file is grey.
        alpha: (H, W) of the same type, or None.
        grey: whether the file is.
        exif: as in the file, but for the orientation, which has become the first; or None.
        icc: colour profile, or None.
        dpi: resolution (x, y), or None.
        xmp: as in the file, but for the orientation; or None.
        iptc: captions and keywords as IPTC's records, or None.
        chunks: texts and colour data of a PNG file, which only another one can hold.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    chunks: tuple[Chunk, ...] = ()

    def without_metadata(self) -> Photo:
        """The same picture without what metadata say of people, places, times and devices; colours and size stay."""
        colours = tuple(chunk for chunk in self.chunks if chunk[0] not in TEXTS)
        return replace(self, exif=None, xmp=None, iptc=None, chunks=colours)


def read_photo(data: bytes, name: str) -> Photo:
    """Decode the content of a picture file; `name` is what errors call it.

    Raises:
        PhotoError: not a picture, truncated, too large to be decoded safely, several pictures in one file, or colours
            that are neither grey nor RGB of 8 or 16 bits.
    """
    from PIL import Image, UnidentifiedImageError

    has_heif = register_heif()
    parts = taken_apart(data) if data.startswith(SIGNATURE) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(parts.bare if parts else data))
            if getattr(image, "n_frames", 1) > 1 and image.format not in _SETS:
                raise PhotoError(f"{name}: holds {image.n_frames} pictures; save them one by one, or as a video")
            return _decode(image, data, name, parts)
    except UnidentifiedImageError:
        if kind_of(data) == PICTURE and data[4:8] == b"ftyp" and not has_heif:
            advice = f"{remedy('heif')}; or save it as JPEG first"
            raise PhotoError(f"{name}: HEIC is not read without pillow-heif: {advice}") from None
        raise PhotoError(f"{name}: not a picture") from None
    except Image.DecompressionBombError:
        limit = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise PhotoError(f"{name}: more than {limit} million pixels; reduce it first") from None
    except _FAULTS as error:
        raise PhotoError(f"{name}: truncated or damaged ({error})") from None


def encode_photo(photo: Photo, pixels: np.ndarray, suffix: str) -> bytes:
    """The content of a file that holds `photo` with other pixels (H, W, 3), in the format of `suffix`.

    PNG, TIFF and WebP lose nothing; JPEG is written at quality 95 without halved chroma.

    Raises:
        PhotoError: the format cannot hold 16 bits, transparency, so many pixels or so much EXIF.
    """
    from PIL import Image

    kind = SUFFIXES[suffix.lower()]
    if pixels.dtype == np.uint16 and kind != "PNG":
        raise PhotoError(f"{kind} is not written with 16 bits; name the output .png")
    if photo.alpha is not None and kind == "JPEG":
        raise PhotoError("JPEG holds no transparency; name the output .png")
    channels = _grey(pixels)[..., None] if photo.grey else pixels
    if photo.alpha is not None:
        channels = np.dstack([channels, photo.alpha])
    buffer = BytesIO()
    try:
        if pixels.dtype == np.uint16:
            buffer.write(_sixteen_bit_png(channels))
        else:
            options = _options(photo, kind)
            Image.fromarray(channels.squeeze(2) if channels.shape[2] == 1 else channels).save(buffer, kind, **options)
    except _FAULTS as error:
        way_out = "" if kind == "PNG" else "; name the output .png"
        raise PhotoError(f"{kind} cannot hold this picture and its EXIF ({error}){way_out}") from None
    written = buffer.getvalue()
    if kind == "PNG":
        return put_together(written, photo.exif, photo.icc, photo.xmp, photo.dpi, photo.chunks)
    return written


def _options(photo: Photo, kind: str) -> dict[str, Any]:
    """What Pillow is given when it writes a file of this kind; to PNG everything is added afterwards."""
    options: dict[str, Any] = dict(_OPTIONS.get(kind, {}))
    given = {"icc_profile": photo.icc, "dpi": photo.dpi}
    if kind == "TIFF":
        given["exif"] = tags_of_tiff(photo.exif, photo.xmp, photo.iptc)
    elif kind != "PNG":
        given |= {"exif": photo.exif, "xmp": photo.xmp}
        if kind == "JPEG" and photo.iptc:
            given["extra"] = iptc_segment(photo.iptc)
    return options | ({} if kind == "PNG" else {key: value for key, value in given.items() if value is not None})


def _decode(image: Image, data: bytes, name: str, parts: PngParts | None) -> Photo:
    icc, xmp = image.info.get("icc_profile"), xmp_of(image)
    if parts:
        icc, xmp = parts.icc, parts.xmp and upright_xmp(parts.xmp)
    chunks = (*parts.colours, *parts.texts) if parts else ()
    photo = Photo(np.empty(0), icc=icc, dpi=resolution_of(image), xmp=xmp, iptc=iptc_of(image), chunks=chunks)
    deep = _is_deep(image, data)
    if not deep and image.mode not in _READABLE:
        raise PhotoError(f"{name}: {image.mode} colours; convert it to RGB or grey, of 8 or 16 bits, first")
    exif, turn = exif_of(image)
    if deep:
        image.load()  # says what is wrong with a damaged file; cv2 would not
        photo = _sixteen(photo, parts.bare if parts else data, name)
    else:
        photo = _eight(photo, image)
    alpha = None if photo.alpha is None else turned(photo.alpha, turn)
    return replace(photo, pixels=turned(photo.pixels, turn), alpha=alpha, exif=exif)


def _is_deep(image: Image, data: bytes) -> bool:
    """Whether the file has 16 bits a channel; Pillow would quietly drop half of them."""
    if image.format == "PNG":
        return data[24] == 16
    if image.format == "TIFF":
        return 16 in image.tag_v2.get(258, ())
    return image.mode in _SIXTEEN


def _eight(photo: Photo, image: Image) -> Photo:
    has_alpha = image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA")
    array = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    pixels, alpha = np.ascontiguousarray(array[..., :3]), array[..., 3].copy() if has_alpha else None
    return replace(photo, pixels=pixels, alpha=alpha, grey=grey)


def _sixteen(photo: Photo, data: bytes, name: str) -> Photo:
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16 or array.ndim == 3 and array.shape[2] not in (3, 4):
        raise PhotoError(f"{name}: this kind of 16-bit picture is not read; convert it to 16-bit RGB first")
    if array.ndim == 2:
        return replace(photo, pixels=np.dstack([array] * 3), grey=True)
    alpha = array[..., 3].copy() if array.shape[2] == 4 else None
    return replace(photo, pixels=np.ascontiguousarray(array[..., 2::-1]), alpha=alpha)


def _sixteen_bit_png(channels: np.ndarray) -> bytes:
    if channels.shape[2] == 2:  # PNG has grey with alpha, cv2 has not
        channels = np.dstack([channels[..., :1]] * 3 + [channels[..., 1:]])
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels.shape[2]]
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(channels[..., order]))
    return encoded.tobytes()


def _grey(pixels: np.ndarray) -> np.ndarray:
    """The mean of the channels: exactly what they were where they are equal."""
    return np.rint(pixels.mean(axis=2)).astype(pixels.dtype)


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Upright, from the way EXIF says it was stored (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    rows, columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(array[:: -1 if rows else 1, :: -1 if columns else 1])
