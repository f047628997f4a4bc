from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.faces.crop import CropBox, crop, crop_box, points_from_crop, points_to_crop, resize


def test_box_of_known_points():
    landmarks = np.full((68, 2), 100.0)
    landmarks[0], landmarks[1] = (80, 60), (120, 140)  # 40 wide, 80 high, centre (100, 100)
    assert crop_box(landmarks) == CropBox(x=36, y=36, side=128)  # pixels 36 ... 163
    assert crop_box(landmarks, scale=1.0) == CropBox(60, 60, 80)


def test_box_is_square_centred_and_scaled():
    rng = np.random.default_rng(0)
    for _ in range(200):
        landmarks = rng.uniform(-50, 300, 2) + rng.uniform(0, rng.uniform(3, 200), (68, 2))
        x, y, side = crop_box(landmarks)
        low, high = landmarks.min(0), landmarks.max(0)
        assert abs(side - 1.6 * (high - low).max()) <= 0.5
        np.testing.assert_array_less(np.abs([x + (side - 1) / 2, y + (side - 1) / 2] - (low + high) / 2), 0.5 + 1e-9)


def test_box_is_never_smaller_than_two():
    assert crop_box(np.full((68, 2), 7.0)).side == 2


@pytest.mark.parametrize(("landmarks", "word"), [(np.zeros((68, 3)), "shape"), (np.full((68, 2), np.nan), "finite")])
def test_box_refuses(landmarks, word):
    with pytest.raises(ValueError, match=f"landmarks: must .*{word}"):
        crop_box(landmarks)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize(
    "box",
    [(3, 4, 9), (-5, 2, 12), (10, 20, 30), (-9, -9, 70), (-40, 3, 8), (60, 60, 5)],
)
def test_crop_equals_cropping_after_padding(box, channels):
    frame = np.random.default_rng(1).integers(0, 256, (33, 41, *channels), dtype=np.uint8)
    box, margin = CropBox(*box), 100
    padded = cv2.copyMakeBorder(frame, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    x, y = box.x + margin, box.y + margin
    np.testing.assert_array_equal(crop(frame, box), padded[y : y + box.side, x : x + box.side])


def test_crop_inside_is_a_view():
    frame = np.zeros((20, 30, 3), np.uint8)
    assert np.shares_memory(crop(frame, CropBox(10, 0, 20)), frame)
    assert not np.shares_memory(crop(frame, CropBox(11, 0, 20)), frame)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(24, 24), (24, 24, 1), (24, 24, 3)])
def test_resize_keeps_type_and_channels(shape, dtype):
    image = np.full(shape, 100, dtype)
    for size in (6, 24, 50):
        resized = resize(image, size)
        assert resized.shape == (size, size, *shape[2:]) and resized.dtype == dtype
        np.testing.assert_allclose(resized, 100, rtol=1e-6)


def test_shrinking_averages_areas():
    image = np.random.default_rng(2).random((24, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(resize(image, 6), image.reshape(6, 4, 6, 4, 3).mean((1, 3)), atol=1e-6)


def test_points_follow_the_pixels():
    """A bright dot in the image lies in the resized crop where `points_to_crop` says."""
    frame = np.zeros((120, 120), np.float32)
    frame[70:74, 50:54] = 1  # centre (51.5, 71.5)
    box = CropBox(31, 41, 60)
    for size in (30, 60, 180):
        small = resize(crop(frame, box), size)
        y, x = np.mgrid[:size, :size]
        centre = np.array([(x * small).sum(), (y * small).sum()]) / small.sum()
        np.testing.assert_allclose(points_to_crop(np.array([51.5, 71.5]), box, size), centre, atol=0.05)


def test_points_there_and_back():
    points = np.random.default_rng(3).uniform(-20, 300, (5, 68, 2)).astype(np.float32)
    box = CropBox(-7, 12, 91)
    mapped = points_to_crop(points, box, 256)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(points_from_crop(mapped, box, 256), points, atol=1e-3)
