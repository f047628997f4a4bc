from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.data.frames.tiles import TileSettings, cut_tile, place_tiles
from facedeblur.faces.crop import CropBox, crop


def test_side_holds_face_and_margin_in_whole_blocks():
    settings = TileSettings(128, oversample=1.5, margin=1.4)
    assert (settings.face, settings.side, settings.bytes) == (192, 272, 3 * 272 * 272)


@pytest.mark.parametrize("name, value", [("oversample", 0.5), ("margin", 1.0)])
def test_impossible_settings_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        TileSettings(**{name: value})


def test_at_scale_one_a_tile_is_a_crop():
    frame = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    for offset in ((10, 5), (-7, 30), (60, -9)):
        np.testing.assert_array_equal(cut_tile(frame, 1.0, offset, 32), crop(frame, CropBox(*offset, 32)))


def test_pixels_are_means_over_areas():
    """A half: every tile pixel is the mean of two by two; a third of a pixel further the areas are cut."""
    frame = np.random.default_rng(1).integers(0, 256, (64, 80, 3), np.uint8)
    half = frame[8:40, 12:44].reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(cut_tile(frame, 0.5, (6, 4), 16) - half).max() <= 0.5
    scale = 0.4  # 2.5 pixels of the frame for one of the tile: compare with a grid ten times as fine
    fine = np.repeat(np.repeat(frame, 10, 0), 10, 1)[50:450, 100:500].astype(np.float64)
    truth = fine.reshape(16, 25, 16, 25, 3).mean((1, 3))
    assert np.abs(cut_tile(frame, scale, (4, 2), 16) - truth).max() <= 0.51


def test_outside_the_frame_the_border_is_repeated():
    frame = np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)
    padded = cv2.copyMakeBorder(frame, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
    inside = cut_tile(padded, 0.5, (-8 + 15, 12 + 15), 32)
    np.testing.assert_array_equal(cut_tile(frame, 0.5, (-8, 12), 32), inside)


def wandering(count: int, step: float, side: float = 96) -> list[CropBox]:
    return [CropBox(round(step * i), 40, round(side)) for i in range(count)]


def test_tiles_stay_until_the_face_comes_near_their_edge():
    settings = TileSettings(64, oversample=1.0, margin=1.5)
    boxes = wandering(60, 3)
    placed = place_tiles(boxes, settings)
    assert placed.scale == pytest.approx(64 / 96)
    jumps = np.flatnonzero((np.diff(placed.offsets, axis=0) != 0).any(1))
    assert 3 <= len(jumps) <= 20  # 120 tile pixels of way, each jump at least a free quarter
    for i, box in enumerate(boxes):
        x, y, side = placed.box(i, box)
        assert min(x, y) >= settings.room - 1 and max(x, y) + side <= settings.side - settings.room + 1


def test_a_still_face_never_moves_its_tile_and_small_faces_are_not_enlarged():
    placed = place_tiles(wandering(20, 0, side=30), TileSettings(64))
    assert placed.scale == 1.0 and (placed.offsets == placed.offsets[0]).all()


def test_the_largest_face_of_a_run_fits():
    settings = TileSettings(64)
    boxes = [CropBox(0, 0, 80)] * 9 + [CropBox(0, 0, 200)]
    x, _, side = place_tiles(boxes, settings).box(9, boxes[9])
    assert x >= settings.room - 1 and x + side <= settings.side - settings.room + 1
