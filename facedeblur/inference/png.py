"""EXIF and colour profile of a PNG file that was written without (PNG specification, third edition, 11.3)."""

from __future__ import annotations

import struct
import zlib

_HEADER = 8 + 25  # signature and IHDR, which these chunks follow


def with_metadata(png: bytes, exif: bytes | None, icc: bytes | None) -> bytes:
    """The PNG file with the chunks eXIf and iCCP, where they are given."""
    chunks = b""
    if icc is not None:
        chunks += _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if exif is not None:
        chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return png[:_HEADER] + chunks + png[_HEADER:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
