"""The picture of a run: which windows it shows and where its pixels come from."""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.images import write_png
from facedeblur.report.preview import HEADER, choose_windows, preview_grid


def test_most_rows_come_from_the_stronger_half():
    strength = [float(p) for p in range(100)]
    chosen = choose_windows(strength, 8)
    assert len(chosen) == 8 and chosen[0] == 0 and sum(i < 50 for i in chosen) == 6


def test_fewer_windows_than_rows():
    assert sorted(choose_windows([30.0, 20.0], 8)) == [0, 1]
    assert choose_windows([], 8) == []


def test_grid_columns(tmp_path):
    blurred, sharp = np.full((4, 64, 3), 100, np.uint8), np.full((4, 64, 3), 110, np.uint8)
    grid = preview_grid([{"blurred": blurred, "deblurred": sharp - 5, "sharp": sharp}] * 2)
    assert grid.shape == (HEADER + 8, 4 * 64, 3)
    assert [int(grid[HEADER, 64 * i, 0]) for i in range(4)] == [100, 105, 110, 15]  # 3 x |105 - 110|
    write_png(tmp_path / "grid.png", grid)
    assert np.array_equal(cv2.imread(str(tmp_path / "grid.png"))[..., ::-1], grid)
