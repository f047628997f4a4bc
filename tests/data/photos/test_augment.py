from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.data.photos.augment import CropAugmentSettings, augmented_crop, placement
from facedeblur.faces.crop import CropBox, crop, points_to_crop, resize
from facedeblur.faces.mirror import MIRRORED_POINT

NOTHING = CropAugmentSettings(
    **dict.fromkeys(("rotation", "scale", "shift", "stretch", "flip", "light", "grey"), 0.0), degrade=0, occlude=0
)
MOVES = CropAugmentSettings(
    rotation=20, scale=0.1, shift=0.06, stretch=0.05, flip=0.5, light=0, grey=0, degrade=0, occlude=0
)


def photo(side=200, seed=0):
    """Four bright dots, 17 points on each, on black."""
    rng = np.random.default_rng(seed)
    dots = np.array([(80, 80), (125, 84), (90, 120), (118, 128)]) + rng.uniform(-5, 5, (4, 2))
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    bright = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18) for x, y in dots)
    image = np.repeat(np.rint(250 * bright).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return image, np.repeat(dots, 17, axis=0).astype(np.float32)


def test_without_jitter_it_is_the_crop():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 4)
    points = np.random.default_rng(1).uniform(60, 140, (68, 2)).astype(np.float32)
    square = CropBox(40, 36, 120)
    centre = (square.x + (square.side - 1) / 2, square.y + (square.side - 1) / 2)
    matrix = placement(centre, square.side, 75, 100, NOTHING, np.random.default_rng(0))
    face, moved = augmented_crop(image, points, matrix, 100, NOTHING, np.random.default_rng(0))
    np.testing.assert_allclose(moved, points_to_crop(points, square, 100), atol=1e-3)
    assert np.abs(face.astype(int) - resize(crop(image, square), 100)).max() <= 4


@pytest.mark.parametrize("seed", range(12))
def test_points_stay_on_what_they_mark(seed):
    image, points = photo(seed=seed)
    rng = np.random.default_rng(seed)
    matrix = placement((100, 100), 120, 75, 128, MOVES, rng)
    face, moved = augmented_crop(image, points, matrix, 128, MOVES, rng)
    assert moved.dtype == np.float32
    flipped = not np.allclose(moved, points @ matrix[:, :2].T + matrix[:, 2], atol=1e-3)
    straight = moved[MIRRORED_POINT] if flipped else moved
    for x, y in straight[::17]:  # the centre of gravity of the brightness around each dot
        left, top = round(x) - 8, round(y) - 8
        around = face[top : top + 17, left : left + 17, 0].astype(float)
        columns, rows = np.meshgrid(np.arange(17), np.arange(17))
        centre = (left + (around * columns).sum() / around.sum(), top + (around * rows).sum() / around.sum())
        assert np.hypot(centre[0] - x, centre[1] - y) < 0.5


def test_half_are_flipped_and_all_move_within_their_limits():
    _, points = photo()
    rng = np.random.default_rng(0)
    matrices = np.array([placement((100, 100), 120, 75, 128, MOVES, rng) for _ in range(400)])
    centre = np.array([m[:, :2] @ (100, 100) + m[:, 2] for m in matrices]) - 63.5
    scale = np.sqrt(np.linalg.det(matrices[:, :, :2])) * 120 / 128
    assert np.abs(centre).max() < 2.5 * 0.06 * 75 * 1.5 * 1.35 and np.abs(centre.mean(0)).max() < 1
    assert 0.07 < np.log(scale).std() < 0.12 and np.abs(np.log(scale)).max() <= 0.2501
    flipped = sum(
        not np.allclose(
            augmented_crop(np.zeros((200, 200, 3), np.uint8), points, m, 128, MOVES, rng)[1],
            points @ m[:, :2].T + m[:, 2],
            atol=1e-3,
        )
        for m in matrices[:100]
    )
    assert 30 < flipped < 70


@pytest.mark.parametrize("name", ["light", "grey", "degrade", "occlude"])
def test_pixels_change_and_points_do_not(name):
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8), (0, 0), 2)
    points = np.random.default_rng(1).uniform(0, 128, (68, 2)).astype(np.float32)
    settings = CropAugmentSettings(**{**NOTHING.__dict__, name: 1.0})
    identity = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    for seed in range(12):
        face, same = augmented_crop(image, points, identity, 128, settings, np.random.default_rng(seed))
        again, _ = augmented_crop(image, points, identity, 128, settings, np.random.default_rng(seed))
        assert face.shape == image.shape and face.dtype == np.uint8
        assert not np.array_equal(face, image)
        np.testing.assert_array_equal(face, again)
        np.testing.assert_array_equal(same, points)


def test_a_wrong_value_is_named():
    with pytest.raises(ValueError, match="occlude"):
        CropAugmentSettings(occlude=1.5)
    with pytest.raises(ValueError, match="rotation"):
        CropAugmentSettings(rotation=-1)
