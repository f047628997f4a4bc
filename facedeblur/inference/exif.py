"""What pictures say of themselves (EXIF, XMP, IPTC), kept as it is, but for the orientation: pixels become upright."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

ORIENTATION = 0x0112
PREFIX = b"Exif\0\0"

_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005
_X_RESOLUTION, _UNIT = 0x011A, 0x0128
_XMP_TAG, _IPTC_TAG, _IPTC_RESOURCE = 700, 33723, 0x0404

# The first directory of a TIFF file, and so of EXIF, may also hold how that one file stores its pixels (strips, size,
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
        return _of_the_photo(exif), 1
    raw, turn = image.info.get("exif"), exif.get(ORIENTATION, 1)
    if raw and not raw.startswith(PREFIX):  # WebP goes without, JPEG does not
        raw = PREFIX + raw
    if turn != 1:
        exif[ORIENTATION] = 1
        raw = (_upright(raw) if raw else None) or exif.tobytes()
    return raw, turn


def exif_for_tiff(raw: bytes) -> bytes | None:
    """EXIF that may become part of a TIFF file's own directory: without the tags that tell how pixels are stored."""
    from PIL import Image

    exif = Image.Exif()
    exif.load(raw)
    return _of_the_photo(exif)


def resolution_of(image: Image) -> tuple[float, float] | None:
    """Pixels per inch (x, y) where the file says so; Pillow makes them up where it does not."""
    declared = True
    if image.format == "TIFF":
        declared = _X_RESOLUTION in image.tag_v2 and image.tag_v2.get(_UNIT, 2) in (2, 3)
    elif image.format in ("JPEG", "MPO"):
        exif = image.getexif()
        declared = image.info.get("jfif_unit") in (1, 2) or (_X_RESOLUTION in exif and exif.get(_UNIT) in (2, 3))
    dpi = image.info.get("dpi")
    if not declared or dpi is None or not all(0 < value < 1e6 for value in dpi):
        return None
    return float(dpi[0]), float(dpi[1])


def xmp_of(image: Image) -> bytes | None:
    """XMP of an opened picture, its orientation the first."""
    xmp = image.tag_v2.get(_XMP_TAG) if image.format == "TIFF" else image.info.get("xmp")
    if isinstance(xmp, tuple):
        xmp = b"".join(part for part in xmp if isinstance(part, bytes))
    return upright_xmp(xmp.encode() if isinstance(xmp, str) else xmp) if xmp else None


def upright_xmp(xmp: bytes) -> bytes:
    """XMP of which the orientation, as an attribute or an element, is the first."""
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>\s*))\d+", rb"\g<1>1", xmp)


def iptc_of(image: Image) -> bytes | None:
    """Captions and keywords as IPTC's records (IIM 4.2), which JPEG keeps among Photoshop's and TIFF in a tag."""
    if image.format == "TIFF":
        found = image.tag_v2.get(_IPTC_TAG)
    else:
        found = image.info.get("photoshop", {}).get(_IPTC_RESOURCE)
    return found if isinstance(found, bytes) and found else None


def iptc_segment(iptc: bytes) -> bytes:
    """The segment APP13 of a JPEG file with these records. Raises ValueError where they are too long for one."""
    resource = b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    content = b"Photoshop 3.0\0" + resource
    if len(content) > 65_533:
        raise ValueError("IPTC data is too long")
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def tags_of_tiff(raw: bytes | None, xmp: bytes | None, iptc: bytes | None) -> Exif:
    """All that a TIFF file is to hold beside its pixels, as the directory that Pillow writes."""
    from PIL import Image

    tags = Image.Exif()
    if raw and (kept := exif_for_tiff(raw)):
        tags.load(kept)
    for tag, value in ((_XMP_TAG, xmp), (_IPTC_TAG, iptc)):
        if value:
            tags[tag] = value
    return tags


def _upright(raw: bytes) -> bytes | None:
    """EXIF with its orientation the first and without its preview, which is turned as the pixels were.

    Nothing else is touched: makers' notes hold places in their file, which do not survive being written anew. None
    where the first directory is not what it should be.
    """
    tiff = bytearray(raw.removeprefix(PREFIX))
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(tiff[:2])]
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, first)
        places = [first + 2 + 12 * entry for entry in range(count)]
        entries = {struct.unpack_from(order + "H", tiff, place)[0]: place for place in places}
        place = entries[ORIENTATION]
        if struct.unpack_from(order + "HI", tiff, place + 2) != (3, 1):  # one short number
            return None
        struct.pack_into(order + "HH", tiff, place + 8, 1, 0)
        struct.pack_into(order + "I", tiff, first + 2 + 12 * count, 0)
    except (KeyError, struct.error):
        return None
    return PREFIX + bytes(tiff)


def _of_the_photo(exif: Exif) -> bytes | None:
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
