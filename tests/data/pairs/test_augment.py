from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facedeblur.data.pairs.augment import MIRRORED_POINT, AugmentSettings, augment, item_seed, soft_ranges

SIZE = 32


def item(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    blurry, sharp = rng.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    return blurry, sharp, rng.uniform(-3, SIZE + 3, (68, 2)).astype(np.float32)


def test_mirror_is_an_involution_between_the_two_sides():
    assert sorted(MIRRORED_POINT) == list(range(68))
    np.testing.assert_array_equal(MIRRORED_POINT[MIRRORED_POINT], np.arange(68))
    fixed = np.flatnonzero(np.arange(68) == MIRRORED_POINT)
    assert fixed.tolist() == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]  # the points of the midline
    pairs = {0: 16, 17: 26, 36: 45, 37: 44, 41: 46, 31: 35, 48: 54, 59: 55, 60: 64, 67: 65}
    for left, right in pairs.items():
        assert MIRRORED_POINT[left] == right


def test_flip_is_the_same_for_all_three():
    blurry, sharp, points = item()
    b, s, p = augment(blurry, sharp, points, AugmentSettings(flip=1.0), seed=5)
    np.testing.assert_array_equal(b, blurry[:, ::-1])
    np.testing.assert_array_equal(s, sharp[:, ::-1])
    np.testing.assert_allclose(p[MIRRORED_POINT], np.stack([SIZE - 1 - points[:, 0], points[:, 1]], axis=1), atol=1e-4)
    assert b.dtype == s.dtype == np.uint8
    assert p.dtype == np.float32
    assert p.shape == (68, 2)


def test_half_of_the_items_are_flipped():
    blurry, sharp, points = item()
    flipped = [
        np.array_equal(augment(blurry, sharp, points, AugmentSettings(flip=0.5), seed)[0], blurry[:, ::-1])
        for seed in range(200)
    ]
    assert 70 < sum(flipped) < 130


def test_light_changes_both_alike():
    same, _, points = item()
    for seed in range(5):
        b, s, _ = augment(same, same.copy(), points, AugmentSettings(flip=0.0, photometric=1.0), seed)
        np.testing.assert_array_equal(b, s)
        assert not np.array_equal(b, same)


def test_soft_pairs_are_soft_alike():
    same, _, points = item()
    settings = AugmentSettings(flip=0.0, soft=1.0)
    for seed in range(8):
        b, s, p = augment(same, same.copy(), points, settings, seed)
        np.testing.assert_array_equal(b, s)
        np.testing.assert_array_equal(p, points)
        assert (
            np.abs(np.diff(b.astype(float), axis=1)).mean() < 0.9 * np.abs(np.diff(same.astype(float), axis=1)).mean()
        )
    assert np.array_equal(augment(same, same, points, AugmentSettings(flip=0.0, soft=0.0, noise=0.01), 2)[1], same)


def test_larger_faces_are_made_as_soft_as_small_ones():
    """An edge is as many times wider on a face of 256 pixels as the face is."""
    assert soft_ranges(64) == soft_ranges(128) == ((0.4, 1.6), (0.3, 0.8))
    (low, high), (fewest, most) = soft_ranges(256)
    assert (high, low) == (3.2, 0.4) and (256 * fewest, most) == (pytest.approx(128 * 0.3), 0.8)
    settings = AugmentSettings(flip=0.0, soft=1.0)
    widths = {}
    for side in (128, 256):
        step = np.zeros((side, side, 3), np.uint8)
        step[:, side // 2 :] = 255
        points = np.full((68, 2), side / 2, np.float32)
        soft = [augment(step, step, points, settings, seed)[0][side // 2, :, 0] for seed in range(60)]
        widths[side] = max(int(((row > 25) & (row < 230)).sum()) for row in soft)
    assert 1.5 * widths[128] <= widths[256] <= 3 * widths[128]


@pytest.mark.parametrize("kind", ["noise", "jpeg"])
def test_degradations_fall_on_the_blurry_image_alone(kind):
    blurry, sharp, points = item()
    b, s, p = augment(blurry, sharp, points, AugmentSettings(flip=0.0, **{kind: 1.0}), seed=1)
    np.testing.assert_array_equal(s, sharp)
    np.testing.assert_array_equal(p, points)
    assert not np.array_equal(b, blurry)


def test_the_seed_alone_decides_whatever_came_before():
    settings = AugmentSettings(flip=0.5, photometric=0.8, noise=0.8, jpeg=0.8)
    first = [augment(*item(i), settings, seed=item_seed(0, 0, i)) for i in range(8)]
    again = {i: augment(*item(i), settings, seed=item_seed(0, 0, i)) for i in reversed(range(8))}
    for i, images in enumerate(first):
        for a, b in zip(images, again[i], strict=True):
            np.testing.assert_array_equal(a, b)
    other_epoch = [augment(*item(i), settings, seed=item_seed(0, 1, i)) for i in range(8)]
    assert sum(np.array_equal(a[0], b[0]) for a, b in zip(first, other_epoch, strict=True)) < 2


def test_item_seeds_differ_in_every_part():
    seeds = {item_seed(a, b, c) for a in range(5) for b in range(5) for c in range(20)}
    assert len(seeds) == 500


@pytest.mark.parametrize("name", ["flip", "photometric", "noise", "jpeg", "soft"])
def test_settings_are_probabilities(name):
    with pytest.raises(ValueError, match=f"^{name}: .* got 1.5"):
        AugmentSettings(**{name: 1.5})
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(AugmentSettings(), name, 0.1)
    assert not AugmentSettings(flip=0.0).active
