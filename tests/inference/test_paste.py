from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from facedeblur.faces.crop import CropBox, crop, resize
from facedeblur.inference.paste import FEATHER, feather, network_crop, paste, whole_box

SIZE = 64


def sharpness(image: np.ndarray) -> float:
    """Mean square of the finest differences."""
    return float(
        (np.diff(image.astype(float), axis=0) ** 2).mean() + (np.diff(image.astype(float), axis=1) ** 2).mean()
    )


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(60, 200, (120, 160, 3), np.uint8)


def pasted(picture, boxes, restore, **options):
    given = [network_crop(picture, box, SIZE) for box in boxes]
    return paste(picture, boxes, given, [restore(face) for face in given], **options)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_the_network_leaves_alone_stays_to_the_bit(noise, dtype):
    picture = {np.uint8: noise, np.uint16: noise * np.uint16(257), np.float32: noise / np.float32(255)}[dtype]
    result = pasted(picture, [CropBox(20, 10, 90)], lambda face: face)
    assert result.dtype == dtype and np.array_equal(result, picture) and result is not picture


@pytest.mark.parametrize("box", [CropBox(20, 10, 90), CropBox(-30, -20, 80), CropBox(120, 90, 70), CropBox(300, 0, 50)])
def test_pixels_outside_the_box_stay_to_the_bit(noise, box):
    result = pasted(noise, [box], lambda face: 1 - face)
    outside = np.ones(noise.shape[:2], bool)
    outside[max(box.y, 0) : box.y + box.side, max(box.x, 0) : box.x + box.side] = False
    assert np.array_equal(result[outside], noise[outside])
    assert outside.all() or not np.array_equal(result, noise)


def test_a_large_face_keeps_the_detail_that_the_network_cannot_see():
    """A face of 500 pixels through a network of 64 that blurs: everything finer than the network's pixels stays."""
    picture = np.random.default_rng(1).integers(60, 200, (520, 520, 3), np.uint8)
    box = CropBox(10, 10, 500)
    result = pasted(picture, [box], lambda face: resize(resize(face, 8), SIZE))
    middle = (slice(130, 390), slice(130, 390))
    assert sharpness(result[middle]) > 0.99 * sharpness(picture[middle])
    naive = resize(resize(resize(crop(picture, box), SIZE), 8), 500)
    assert sharpness(naive[120:380, 120:380]) < 0.1 * sharpness(picture[middle])


def test_the_change_is_the_networks_at_its_own_size(noise):
    box, edit = CropBox(40, 20, SIZE), np.random.default_rng(2).normal(0, 0.05, (SIZE, SIZE, 3)).astype(np.float32)
    result = pasted(noise, [box], lambda face: face + edit, masked=False)
    expected = np.rint(crop(noise, box) + 255 * edit)
    assert np.array_equal(crop(result, box), expected.clip(0, 255))


def test_a_tint_is_not_pasted(noise):
    box = CropBox(20, 10, 90)
    result = pasted(noise, [box], lambda face: face + np.float32([0.2, -0.1, 0.05]))
    assert np.abs(result.astype(int) - noise).max() <= 1


def jaw(width: int = SIZE) -> np.ndarray:
    """A dark face before a bright wall, its jaw a fifth above the lower border: uint8 (width, width, 3)."""
    y, x = np.mgrid[:width, :width] / width - 0.5
    face = (x / 0.34) ** 2 + (y / 0.3) ** 2 <= 1
    return np.repeat(np.where(face, 40, 230).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("motion", [(9, 1), (1, 9), (7, 7)])
def test_a_dark_jaw_before_a_bright_wall_gets_no_halo(motion):
    """A network that knows the truth: what is pasted is the truth, on the wall just beside the jaw as in the face."""
    sharp = jaw()
    blurred = cv2.blur(sharp, motion)
    given = network_crop(blurred, CropBox(0, 0, SIZE), SIZE)
    result = paste(blurred, [CropBox(0, 0, SIZE)], [given], [sharp.astype(np.float32) / 255])
    margin = int(np.ceil(FEATHER * SIZE))
    inner = (slice(margin, -margin),) * 2
    error = np.abs(result.astype(int) - sharp)[inner]
    assert np.abs(blurred.astype(int) - sharp)[inner].max() > 80
    assert error.max() <= 1


def test_what_the_network_leaves_alone_stays_beside_a_strong_change(noise):
    """A bright bar drawn by the network over a tenth of the crop darkens nothing around it."""
    box, edit = CropBox(20, 10, 90), np.zeros((SIZE, SIZE, 3), np.float32)
    edit[:, 29:35] = 0.3
    result = pasted(noise // 2 + 40, [box], lambda face: face + edit)
    change = crop(result, box).astype(int) - crop(noise // 2 + 40, box)
    assert change[20:70, 42:48].mean() > 60
    assert np.abs(change[:, :36]).max() <= 1 and np.abs(change[:, 54:]).max() <= 1


def test_the_mask_is_one_inside_and_falls_smoothly_to_nothing():
    mask, margin = feather(100), int(np.ceil(100 * FEATHER))
    assert np.all(mask[margin:-margin, margin:-margin] == 1) and mask.max() == 1
    assert mask[0].max() < 0.07 and mask[:, -1].max() < 0.07
    assert np.abs(np.diff(mask, axis=0)).max() < 2 / margin  # half a cosine is at most pi / 2 times as steep as a line
    assert np.array_equal(mask, mask[::-1, ::-1])


def test_the_mask_costs_little_of_what_the_network_gains():
    """Of a correction that is right everywhere, the error that the mask leaves is less than a twentieth."""
    assert np.mean((1 - feather(128)) ** 2) < 0.05


def test_masks_of_many_sizes_are_not_kept():
    """A face that comes nearer has another size in every frame."""
    feather(400)
    tracemalloc.start()
    for side in range(400, 440):
        feather(side)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2e6  # bytes; 40 masks have 28 MB


def test_overlapping_faces_do_not_add_up(noise):
    box = CropBox(20, 10, 90)
    edit = np.linspace(-0.1, 0.1, SIZE, dtype=np.float32)[:, None, None]
    once = pasted(noise, [box], lambda face: face + edit)
    twice = pasted(noise, [box, box], lambda face: face + edit)
    inner = (slice(30, 80), slice(40, 90))
    assert np.array_equal(once[inner], twice[inner])


def test_strength_is_a_share_of_the_change(noise):
    box, edit = CropBox(20, 10, 90), np.linspace(-0.2, 0.2, SIZE, dtype=np.float32)[:, None, None]
    full, half, none = (
        pasted(noise, [box], lambda face: face + edit, strengths=[share]).astype(int) for share in (1.0, 0.5, 0.0)
    )
    assert np.array_equal(none, noise)
    assert np.abs((full - noise) - 2 * (half - noise)).max() <= 2


@pytest.mark.parametrize("shape", [(40, 60, 3), (60, 40, 3), (51, 51, 3), (1, 7, 3)])
def test_the_whole_box_holds_the_picture(shape):
    box = whole_box(np.zeros(shape, np.uint8))
    assert box.side == max(shape[:2]) and box.x <= 0 and box.y <= 0
    assert box.x + box.side >= shape[1] and box.y + box.side >= shape[0]
