"""What a PNG file holds beside its pixels (PNG specification, third edition, chapter 11): texts, profile, colours.

Pillow refuses a whole file for a text or a profile that is large once inflated, and writes none of the texts. So such
chunks are taken out of a file before it is decoded, and those that are to be kept are put into the one that is written.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Chunk = tuple[bytes, bytes]  # kind and content

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LARGE = 2**20  # bytes of an inflated text, which Pillow would refuse
LARGEST = 2**26  # bytes that are inflated of one chunk

_XMP = b"XML:com.adobe.xmp"
_EXIF_AS_TEXT = (b"Raw profile type exif", b"Raw profile type APP1")
_HEADER = len(SIGNATURE) + 25  # signature and IHDR, which all of these chunks follow


@dataclass(frozen=True)
class PngParts:
    """A PNG file in parts.

    Attributes:
        bare: the file without its colour profile and its large texts.
        texts: its text chunks, but for XMP and EXIF.
        colours: chunks that say what its numbers mean.
        icc: its colour profile, or None.
        xmp: its XMP, or None.
    """

    bare: bytes
    texts: tuple[Chunk, ...] = ()
    colours: tuple[Chunk, ...] = ()
    icc: bytes | None = None
    xmp: bytes | None = None


def taken_apart(png: bytes) -> PngParts:
    """The parts of a PNG file; a damaged one is left whole, for its decoder to complain about."""
    pieces, texts, colours, icc, xmp = [png[: len(SIGNATURE)]], [], [], None, None
    inflated = 0
    for start, stop, kind in _chunks(png):
        content = png[start + 8 : stop - 4]
        keyword = content.split(b"\0", 1)[0]
        if kind == b"iCCP":
            icc = _inflated(content[len(keyword) + 2 :])
            continue
        if kind in COLOURS:
            colours.append((kind, content))
        elif kind in TEXTS:
            if kind == b"iTXt" and keyword == _XMP:
                xmp = _international(content)
                continue
            if keyword not in _EXIF_AS_TEXT:
                texts.append((kind, content))
            size = _text_size(kind, content)
            inflated += size
            if size > LARGE or inflated > LARGEST // 2:
                continue
        pieces.append(png[start:stop])
    return PngParts(b"".join(pieces), tuple(texts), tuple(colours), icc, xmp)


def put_together(
    png: bytes,
    exif: bytes | None = None,
    icc: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    others: Sequence[Chunk] = (),
) -> bytes:
    """A PNG file that was written without any of these, with them."""
    chunks = b""
    for kind, content in others:
        if icc is None or kind not in (b"sRGB", b"iCCP"):  # of these a file has one
            chunks += _chunk(kind, content)
    if icc is not None:
        chunks += _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi is not None:
        chunks += _chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1))
    if exif is not None:
        chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if xmp is not None:
        chunks += _chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + xmp)
    return png[:_HEADER] + chunks + png[_HEADER:]


def _chunks(png: bytes) -> Iterator[tuple[int, int, bytes]]:
    """First byte, the one after the last, and kind of every chunk; what follows the last whole one counts as one."""
    place = len(SIGNATURE)
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        stop = place + 12 + length
        if stop > len(png):
            yield place, len(png) + 4, b""
            return
        yield place, stop, png[place + 4 : place + 8]
        place = stop


def _text_size(kind: bytes, content: bytes) -> int:
    """Bytes of a text once it is inflated."""
    _, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        return len(_inflated(rest[1:]) or b"")
    return len(_international(content) or b"") if kind == b"iTXt" else len(content)


def _international(content: bytes) -> bytes | None:
    """The text of an iTXt chunk, UTF-8; None where it is damaged."""
    _, _, rest = content.partition(b"\0")
    packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        return None
    return _inflated(parts[2]) if packed else parts[2]


def _inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, LARGEST)
    except zlib.error:
        return None


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
