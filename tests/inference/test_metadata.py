"""What is written is decoded again: pixels, and what pictures say of themselves, for every format and kind of EXIF."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from facedeblur.inference.exif import ORIENTATION, iptc_segment
from facedeblur.inference.photo import Photo, PhotoError, encode_photo, read_photo
from facedeblur.inference.png import SIGNATURE

MAKE, CAMERA, EXIF, MAKER_NOTE = 0x010F, "a camera", 0x8769, 0x927C
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="a title"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x09a caption"
WRITTEN = (".png", ".jpg", ".jfif", ".webp", ".tif")

# how one file stores its pixels: true of that file, of no other (android.jpg and photoshop.jpg have such tags)
LAYOUT = {
    "size": {256: 480, 257: 360},
    "size, bits and channels": {256: 4134, 257: 5906, 258: (8, 8, 8), 277: 3, 262: 2},
    "strips": {256: 9, 257: 6, 273: (8,), 278: 2, 279: (54,)},
    "tiles": {322: 16, 323: 16, 324: (8,), 325: (768,)},
    "compression": {259: 6, 262: 6, 317: 2, 284: 2, 530: (2, 2)},
    "grey": {258: (1,), 262: 0, 277: 1, 338: (2,), 339: (3,)},
}


@pytest.fixture
def pixels():
    y, x = np.mgrid[:24, :40]
    return np.stack([6 * x, 10 * y, 3 * (x + y)], axis=2).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def with_camera(tags: dict | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[MAKE] = CAMERA
    for tag, value in (tags or {}).items():
        exif[tag] = value
    return exif


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("kind", LAYOUT)
def test_exif_that_tells_of_another_layout_harms_no_file(pixels, kind, source, suffix):
    exif = with_camera(LAYOUT[kind])
    exif.get_ifd(EXIF)[MAKER_NOTE] = b"a note"
    photo = read_photo(saved(Image.fromarray(pixels), source, exif=exif.tobytes()), "x")
    written = encode_photo(photo, photo.pixels, suffix)
    back = opened(written)
    back.load()
    assert back.size == (40, 24) and back.mode == "RGB"
    assert np.abs(np.asarray(back).astype(int) - photo.pixels).mean() < (3 if suffix in (".jpg", ".jfif") else 1e-9)
    assert back.getexif()[MAKE] == CAMERA and back.getexif().get_ifd(EXIF)[MAKER_NOTE] == b"a note"
    again = read_photo(written, "again")
    assert again.pixels.shape == photo.pixels.shape


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_turned_photo_keeps_its_exif_to_the_byte_but_for_orientation_and_preview(pixels, order):
    """Two entries and a second directory, the preview's."""
    tiff = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    tiff += struct.pack(order + "H", 2) + struct.pack(order + "HHI4s", MAKE, 2, 4, b"cam\0")
    tiff += struct.pack(order + "HHIHH", ORIENTATION, 3, 1, 6, 0)
    given = b"Exif\0\0" + tiff + struct.pack(order + "I", 38) + struct.pack(order + "HI", 0, 0) + b"a maker's note"
    photo = read_photo(saved(Image.fromarray(pixels), "JPEG", exif=given), "x.jpg")
    assert photo.pixels.shape == (40, 24, 3)
    differing = [i for i, (a, b) in enumerate(zip(photo.exif, given, strict=True)) if a != b]
    place = 6 + 8 + 2 + 12 + 8
    assert set(differing) <= {place, place + 1, *range(6 + 34, 6 + 38)} and given[-14:] == photo.exif[-14:]
    assert opened(encode_photo(photo, photo.pixels, ".jpg")).getexif()[ORIENTATION] == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_stills_of_telephones_are_read_upright(pixels, kind, orientation):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed").register_heif_opener()
    exif = with_camera({ORIENTATION: orientation})
    photo = read_photo(saved(Image.fromarray(pixels), kind, quality=95, exif=exif.tobytes()), "x")
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[orientation]
    expected = np.rot90(np.fliplr(pixels) if orientation in (2, 4) else pixels, turns)
    if orientation in (5, 7):
        expected = np.fliplr(expected)
    assert photo.pixels.shape == expected.shape
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 4
    kept = opened(encode_photo(photo, photo.pixels, ".jpg")).getexif()
    assert kept[MAKE] == CAMERA and kept.get(ORIENTATION, 1) == 1


def with_metadata(kind: str, pixels: np.ndarray) -> bytes:
    image = Image.fromarray(pixels)
    if kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700], tags[33723] = XMP, IPTC
        tags.tagtype[33723] = 7
        return saved(image, kind, tiffinfo=tags)
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return saved(image, kind, pnginfo=info)
    return saved(image, kind, xmp=XMP, **({"extra": iptc_segment(IPTC)} if kind == "JPEG" else {}))


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_captions_are_kept(pixels, source, suffix):
    photo = read_photo(with_metadata(source, pixels), "x")
    upright = XMP.replace(b'"6"', b'"1"')
    assert photo.xmp == upright
    again = read_photo(encode_photo(photo, photo.pixels, suffix), "again")
    assert again.xmp == upright
    if source in ("JPEG", "TIFF") and suffix in (".jpg", ".jfif", ".tif"):
        assert again.iptc == photo.iptc == IPTC
    bare = read_photo(encode_photo(photo.without_metadata(), photo.pixels, suffix), "bare")
    assert bare.xmp is None and bare.iptc is None and bare.exif is None


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def chunks_of(png: bytes) -> dict[bytes, bytes]:
    found, place = {}, len(SIGNATURE)
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        found[png[place + 4 : place + 8]] = png[place + 8 : place + 8 + length]
        place += 12 + length
    return found


LARGE = bytes(range(256)) * 20_000  # 5 MB, which deflate to 20 kB
BESIDE = {
    "a large text": (b"zTXt", b"Comment\0\0" + zlib.compress(LARGE)),
    "a large international text": (b"iTXt", b"Comment\0\1\0en\0\0" + zlib.compress(LARGE)),
    "a large plain text": (b"tEXt", b"Comment\0" + b"a" * 2**21),
    "a text": (b"tEXt", b"Comment\0a comment"),
    "gamma": (b"gAMA", struct.pack(">I", 45_455)),
}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("what", BESIDE)
def test_a_valid_png_with_large_texts_is_read_and_keeps_them(pixels, what, depth):
    deep = Photo(pixels if depth == 8 else pixels * np.uint16(257))
    bare = encode_photo(deep, deep.pixels, ".png")
    photo = read_photo(bare[:33] + chunk(*BESIDE[what]) + bare[33:], "x.png")
    assert np.array_equal(photo.pixels, deep.pixels)
    written = encode_photo(photo, photo.pixels, ".png")
    assert chunks_of(written)[BESIDE[what][0]] == BESIDE[what][1]
    assert np.array_equal(read_photo(written, "again").pixels, deep.pixels)
    left = chunks_of(encode_photo(photo.without_metadata(), photo.pixels, ".png"))
    assert (BESIDE[what][0] in left) == (what == "gamma")


def test_a_large_profile_is_kept(pixels):
    profile = LARGE
    photo = read_photo(encode_photo(Photo(pixels, icc=profile), pixels, ".png"), "x.png")
    assert photo.icc == profile


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_resolution_is_kept_and_none_is_made_up(pixels, suffix, depth):
    if depth == 16:
        pixels, suffix = pixels * np.uint16(257), ".png"
    for dpi in ((300.0, 150.0), None):
        written = encode_photo(Photo(pixels, dpi=dpi), pixels, suffix)
        assert read_photo(written, "x").dpi == (None if dpi is None else pytest.approx(dpi, abs=0.02))


@pytest.mark.parametrize("source", ["JPEG", "TIFF", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_without_a_resolution_there_is_none_afterwards(pixels, source, suffix):
    photo = read_photo(
        saved(Image.fromarray(pixels), source, **({"exif": with_camera()} if source != "BMP" else {})), "x"
    )
    back = opened(encode_photo(photo, photo.pixels, suffix))
    if source == "BMP":  # always says 96
        assert photo.dpi == pytest.approx((96, 96), abs=0.1)
    else:
        assert photo.dpi is None and 0x011A not in back.getexif() and back.info.get("jfif_unit", 0) == 0


def test_damaged_chunks_are_the_decoder_s_complaint(pixels):
    whole = encode_photo(Photo(pixels), pixels, ".png")
    for cut in (8, 9, 20, 40, len(whole) * 2 // 3):
        with pytest.raises(PhotoError, match="not a picture|truncated or damaged"):
            read_photo(whole[:cut], "x.png")
    broken = whole[:33] + chunk(b"iCCP", b"name\0\0not deflated") + chunk(b"iTXt", b"a\0\1") + whole[33:]
    assert np.array_equal(read_photo(broken, "x.png").pixels, pixels)
