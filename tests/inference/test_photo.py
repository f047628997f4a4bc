"""Pictures in and out, and the files that are none."""

from __future__ import annotations

import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from facedeblur.inference.exif import ORIENTATION
from facedeblur.inference.photo import PhotoError, encode_photo, read_photo

GPS, EXIF, INTEROP, EXPOSURE, MAKE, CAMERA = 0x8825, 0x8769, 0xA005, 0x829A, 0x010F, "a camera"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_with(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, CAMERA
    exif.get_ifd(GPS)[1] = "N"
    return exif


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_mode_comes_back_to_the_bit(pixels, mode, suffix):
    image = Image.fromarray(pixels).convert(mode)
    photo = read_photo(saved(image), "x.png")
    assert photo.pixels.shape == pixels.shape and photo.pixels.dtype == np.uint8
    back = Image.open(BytesIO(encode_photo(photo, photo.pixels, suffix)))
    assert np.array_equal(np.asarray(back.convert("RGBA")), np.asarray(image.convert("RGBA")))
    if suffix == ".png":
        assert back.mode == {"P": "RGB", "1": "L"}.get(mode, mode)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [".png", ".tiff"])
def test_sixteen_bits_stay_sixteen(channels, kind):
    deep = np.random.default_rng(1).integers(0, 65536, (6, 9, channels), np.uint16)
    photo = read_photo(cv2.imencode(kind, deep)[1].tobytes(), "deep")
    assert photo.pixels.dtype == np.uint16 and photo.grey == (channels == 1)
    back = cv2.imdecode(np.frombuffer(encode_photo(photo, photo.pixels, ".png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert back.dtype == np.uint16 and np.array_equal(back.reshape(deep.shape), deep)
    with pytest.raises(PhotoError, match="16 bits"):
        encode_photo(photo, photo.pixels, ".jpg")


def test_metadata_of_sixteen_bits():
    deep = np.random.default_rng(1).integers(0, 65536, (6, 9, 3), np.uint16)
    photo = read_photo(cv2.imencode(".png", deep)[1].tobytes(), "deep.png")
    photo = type(photo)(photo.pixels, exif=exif_with().tobytes(), icc=PROFILE)
    again = read_photo(encode_photo(photo, photo.pixels, ".png"), "deep.png")
    assert again.icc == PROFILE and np.array_equal(again.pixels, photo.pixels)
    assert Image.open(BytesIO(encode_photo(photo, photo.pixels, ".png"))).getexif()[MAKE] == CAMERA


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_exif_profile_and_resolution_are_kept(pixels, source, suffix):
    data = saved(Image.fromarray(pixels), source, exif=exif_with().tobytes(), icc_profile=PROFILE, dpi=(300, 300))
    photo = read_photo(data, "x")
    back = Image.open(BytesIO(encode_photo(photo, photo.pixels, suffix)))
    assert back.info["icc_profile"] == PROFILE
    assert back.getexif()[MAKE] == CAMERA and back.getexif().get_ifd(GPS)[1] == "N"
    if source != "WEBP" and suffix != ".webp":  # it has no resolution
        assert back.info["dpi"] == pytest.approx((300, 300), abs=0.1)


# from the pixels as they are stored to the upright ones (EXIF 2.32, 4.6.4: where the stored row 0 and column 0 are)
UPRIGHT = {
    1: lambda stored: stored,  # top, left
    2: np.fliplr,  # top, right
    3: lambda stored: np.rot90(stored, 2),  # bottom, right
    4: np.flipud,  # bottom, left
    5: lambda stored: stored.swapaxes(0, 1),  # left, top
    6: lambda stored: np.rot90(stored, -1),  # right, top
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),  # right, bottom
    8: np.rot90,  # left, bottom
}


def tiff(pixels: np.ndarray, exif: Image.Exif, deflated: bool = False) -> bytes:
    """A TIFF file of (H, W, 3), with what Pillow does not write: 16 bits, EXIF directories where it is compressed."""
    strip = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    strip = zlib.compress(strip) if deflated else strip
    height, width, bits = *pixels.shape[:2], 8 * pixels.itemsize
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    layout = {256: width, 257: height, 258: (bits,) * 3, 259: 8 if deflated else 1, 262: 2, 277: 3, 278: height}
    strips = {273: 0, 279: len(strip)}  # its place is written relative to the directory's end
    for tag, value in {**layout, **strips, **exif, GPS: exif.get_ifd(GPS), EXIF: exif.get_ifd(EXIF)}.items():
        directory[tag] = value
    return b"II*\0\x08\0\0\0" + directory.tobytes(8) + strip


def stored(pixels: np.ndarray, kind: str, exif: Image.Exif) -> bytes:
    if "TIFF" in kind:
        return tiff(pixels, exif, deflated="deflated" in kind)
    return saved(Image.fromarray(pixels), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "deflated TIFF", "16-bit TIFF"])
def test_turned_photos_become_upright(pixels, kind, orientation):
    if kind == "16-bit TIFF":
        pixels = pixels * np.uint16(256) + np.uint16(7)
    exif = exif_with(orientation)
    exif.get_ifd(EXIF)[EXPOSURE] = 0.25
    data = stored(pixels, kind, exif)
    if kind == "JPEG":  # what it made of the pixels
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    photo = read_photo(data, "x")
    assert np.array_equal(photo.pixels, UPRIGHT[orientation](pixels))
    for suffix in (".png",) if photo.pixels.dtype == np.uint16 else (".png", ".jpg", ".tif", ".webp"):
        kept = Image.open(BytesIO(encode_photo(photo, photo.pixels, suffix))).getexif()
        assert kept[ORIENTATION] == 1 and kept[MAKE] == CAMERA
        assert kept.get_ifd(GPS)[1] == "N" and kept.get_ifd(EXIF)[EXPOSURE] == 0.25
        if suffix != ".tif":  # and none of how a TIFF file stores its pixels
            assert set(kept) <= {ORIENTATION, MAKE, GPS, EXIF}
        again = read_photo(encode_photo(photo, photo.pixels, suffix), "again")
        assert again.pixels.shape == photo.pixels.shape


def test_a_tiff_file_without_exif_gives_none(pixels):
    assert read_photo(saved(Image.fromarray(pixels), "TIFF"), "x.tif").exif is None


def test_the_interoperability_of_a_tiff_file_is_not_left_dangling(pixels):
    exif = exif_with()
    exif.get_ifd(EXIF)[INTEROP] = {1: "R98"}
    photo = read_photo(tiff(pixels, exif), "x.tif")
    kept = Image.open(BytesIO(encode_photo(photo, photo.pixels, ".jpg"))).getexif()
    kept.get_ifd(EXIF)
    assert kept.get_ifd(INTEROP)[1] == "R98"


def test_grey_pixels_keep_their_value():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = read_photo(saved(Image.fromarray(grey)), "x.png")
    assert np.array_equal(np.asarray(Image.open(BytesIO(encode_photo(photo, photo.pixels, ".png")))), grey)


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 2.5 gigapixels."""
    data = bytearray(saved(Image.new("L", (8, 8))))
    data[16:24] = (50_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def frames() -> bytes:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    return saved(first, "GIF", save_all=True, append_images=[second])


BAD = {
    "not a picture": lambda image: b"this is not a picture at all",
    "empty": lambda image: b"",
    "cut": lambda image: saved(image.resize((200, 200)), "JPEG")[:-2000],
    "cut png": lambda image: saved(image.resize((200, 200)))[:-3000],
    "bomb": lambda image: bomb(),
    "several": lambda image: frames(),
    "cmyk": lambda image: saved(image.convert("CMYK"), "JPEG"),
    "float": lambda image: saved(image.convert("F"), "TIFF"),
}
SAYS = {
    "not a picture": "not a picture",
    "empty": "not a picture",
    "cut": "truncated",
    "cut png": "truncated",
    "bomb": "million pixels",
    "several": "2 pictures",
    "cmyk": "CMYK",
    "float": "F colours",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_one_clear_line(pixels, kind):
    with pytest.raises(PhotoError, match=f"photo: .*{SAYS[kind]}") as raised:
        read_photo(BAD[kind](Image.fromarray(pixels)), "photo")
    assert "\n" not in str(raised.value)


def test_transparency_does_not_become_jpeg(pixels):
    photo = read_photo(saved(Image.fromarray(pixels).convert("RGBA")), "x.png")
    with pytest.raises(PhotoError, match="transparency"):
        encode_photo(photo, photo.pixels, ".jpg")


def long_exif() -> bytes:
    exif = exif_with()
    exif.get_ifd(EXIF)[0x927C] = bytes(70_000)  # a maker note; JPEG holds 64 kB in all
    return exif.tobytes()


TOO_MUCH = {
    ".jpg": (lambda: saved(Image.new("RGB", (9, 6)), exif=long_exif()), "EXIF"),
    ".webp": (lambda: saved(Image.new("L", (16_384, 1))), "16383"),
    ".jpeg": (lambda: saved(Image.new("L", (65_536, 1))), "JPEG"),
}


@pytest.mark.parametrize("suffix", TOO_MUCH)
def test_what_a_format_cannot_hold_is_one_line_with_the_remedy(suffix):
    make, says = TOO_MUCH[suffix]
    photo = read_photo(make(), "x.png")
    with pytest.raises(PhotoError, match=f"{says}.*name the output .png") as raised:
        encode_photo(photo, photo.pixels, suffix)
    assert "\n" not in str(raised.value)
    back = read_photo(encode_photo(photo, photo.pixels, ".png"), "back")
    assert np.array_equal(back.pixels, photo.pixels) and back.exif == photo.exif


@pytest.mark.filterwarnings("ignore")  # Pillow's, at damage
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_damaged_exif_is_one_line_or_left_as_it_is(pixels, kind):
    """Whatever it does to the EXIF's first bytes, damage is no other exception."""
    exif, refused, random = exif_with(6), 0, np.random.default_rng(3)
    exif.get_ifd(EXIF)[EXPOSURE] = 0.25
    whole = stored(pixels, kind, exif)
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(4, 250, 3):
            data[place] = random.integers(256)
        try:
            photo = read_photo(bytes(data), "photo")
            encode_photo(photo, photo.pixels, ".tif")
        except PhotoError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 10 < refused < 140
