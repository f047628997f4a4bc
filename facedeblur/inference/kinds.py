"""Whether a file is a picture or a video: by its first bytes, which do not lie, then by its name."""

from __future__ import annotations

from pathlib import Path

from facedeblur.images import IMAGE_SUFFIXES

PICTURE, VIDEO = "picture", "video"

PHOTOS = IMAGE_SUFFIXES
VIDEOS = (
    ".3g2", ".3gp", ".asf", ".avi", ".f4v", ".flv", ".m2t", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip

HEAD = 512  # bytes that are enough to tell

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_VIDEOS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM
    b"FLV\x01",
    b"\0\0\1\xba",  # MPEG program stream
    b"\0\0\1\xb3",  # MPEG video
    b"0&\xb2u\x8ef\xcf\x11",  # ASF, so WMV
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02",  # MXF
)
_STILL_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # that QuickTime files without ftyp begin with


def kind_of(head: bytes) -> str | None:
    """ "picture", "video", or None where the first `HEAD` bytes of a file tell neither."""
    if head.startswith(_PICTURES) or (head[:2] == b"BM" and head[6:10] == bytes(4)):
        return PICTURE
    if head[:4] == b"RIFF":
        return {b"WEBP": PICTURE, b"AVI ": VIDEO}.get(head[8:12])
    if head[4:8] == b"ftyp":  # ISO base media: one container for films and for HEIF's and AV1's stills
        return PICTURE if head[8:12] in _STILL_BRANDS else VIDEO
    transport = any(head[start::step][:2] == b"GG" for start, step in ((0, 188), (4, 192)))
    return VIDEO if head.startswith(_VIDEOS) or head[4:8] in _BOXES or transport else None


def kind_of_file(path: Path) -> str | None:
    """The same for a file, by its name where its content says nothing; None where both do not."""
    try:
        with path.open("rb") as file:
            found = kind_of(file.read(HEAD))
    except OSError:
        found = None
    if found:
        return found
    suffix = path.suffix.lower()
    return PICTURE if suffix in PHOTOS else VIDEO if suffix in VIDEOS else None
