"""Images in files of every kind that is listed, upright, and equal to what the front door reads."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, features

from facedeblur.images import IMAGE_SUFFIXES, changed_part, decode_image, read_image, register_heif
from facedeblur.inference.kinds import PHOTOS
from facedeblur.inference.photo import read_photo

FORMATS = {".jfif": "JPEG", ".jpe": "JPEG", ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP"}
FORMATS |= {".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".gif": "GIF", ".avif": "AVIF"}
FORMATS |= dict.fromkeys((".heic", ".heif", ".hif"), "HEIF")


def test_training_and_the_front_door_have_one_list():
    assert PHOTOS is IMAGE_SUFFIXES and set(FORMATS) == set(IMAGE_SUFFIXES)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("turned", (False, True))
def test_every_listed_kind_is_read_upright_as_the_front_door_reads_it(tmp_path, suffix, turned):
    kind = FORMATS[suffix]
    if kind == "HEIF" and not register_heif():
        pytest.skip("the extra `heif` is not installed")
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    if turned and kind in ("BMP", "GIF"):
        pytest.skip("holds no orientation")
    y, x = np.mgrid[:48, :64]
    picture = np.stack([3 * x, 5 * y, 255 - 3 * x], axis=2).astype(np.uint8)
    given = {}
    if turned:
        exif = Image.Exif()
        exif[0x0112] = 6  # a quarter turn clockwise
        given["exif"] = exif.tobytes()
    file = tmp_path / f"a{suffix}"
    Image.fromarray(picture).save(file, kind, **given)
    found = read_image(file)
    assert found.dtype == np.uint8 and found.shape == ((64, 48, 3) if turned else (48, 64, 3))
    wanted = np.rot90(picture, -1) if turned else picture
    assert np.abs(found.astype(int) - wanted).mean() < 12, "lossy, yet upright"
    theirs = read_photo(file.read_bytes(), "a").pixels.astype(int)
    assert np.abs(found - theirs).max() <= 3


def test_what_is_broken_or_missing_is_none(tmp_path):
    _, data = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))
    assert decode_image(data.tobytes()[:40]) is None and decode_image(b"") is None
    assert decode_image(b"\0\0\0\x20ftypavif" + bytes(40)) is None
    assert read_image(tmp_path / "nothing.png") is None


@pytest.mark.parametrize("shape", [(40, 50, 3), (7, 5, 3), (33, 20, 3)])
def test_the_changed_part_is_the_smallest_rectangle_around_all_that_differs(shape):
    rng = np.random.default_rng(0)
    before = rng.integers(0, 255, shape, np.uint8)
    assert changed_part(before, before.copy()) is None
    for count in (1, 2, 5):
        after = before.copy()
        y, x, c = (rng.integers(0, side, count) for side in shape)
        after[y, x, c] ^= 1
        assert changed_part(before, after) == (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
