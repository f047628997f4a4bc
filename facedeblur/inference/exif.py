"""EXIF of pictures that become upright: kept as it is, but for the orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

ORIENTATION = 0x0112
PREFIX = b"Exif\0\0"

_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005

# A TIFF file's first directory holds the EXIF and, between it, how that one file stores its pixels (strips, size,
# compression), which is true of no other. These are its tags that tell of the photo (EXIF 2.32, 4.6.4, and Windows').
_OF_THE_PHOTO = (
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298,  # description, camera, software, date, people
    0x011A, 0x011B, 0x0128,  # resolution
    0x012D, 0x013E, 0x013F,  # transfer function, white point, primaries
    0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # rating, title, comment, author, keywords, subject
)  # fmt: skip


def exif_of(image: Image) -> tuple[bytes | None, int]:
    """EXIF of an opened picture whose pixels are not loaded yet, and the orientation that they will have (1 to 8).

    The EXIF is the file's, beginning with "Exif\\0\\0", its orientation the first; None where there is none. Of a TIFF
    file the pixels are upright once decoded: Pillow and cv2 turn those, and no others, themselves.
    """
    exif = image.getexif()
    if image.format == "TIFF":
        return _of_tiff(exif), 1
    raw, turn = image.info.get("exif"), exif.get(ORIENTATION, 1)
    if turn != 1:
        exif[ORIENTATION] = 1
        raw = exif.tobytes()
    if raw and not raw.startswith(PREFIX):  # WebP goes without, JPEG does not
        raw = PREFIX + raw
    return raw, turn


def _of_tiff(exif: Exif) -> bytes | None:
    from PIL import Image

    tags = {tag: exif[tag] for tag in _OF_THE_PHOTO if tag in exif}
    directories = {tag: dict(exif.get_ifd(tag)) for tag in (_EXIF_IFD, _GPS_IFD)}
    if _INTEROP_IFD in directories[_EXIF_IFD]:  # its value is a place in this file
        directories[_EXIF_IFD][_INTEROP_IFD] = dict(exif.get_ifd(_INTEROP_IFD))
    if not tags and not any(directories.values()):
        return None
    kept = Image.Exif()
    for tag, value in {**tags, ORIENTATION: 1}.items():
        kept[tag] = value
    for tag, directory in directories.items():
        if directory:
            kept.get_ifd(tag).update(directory)
    return kept.tobytes()
