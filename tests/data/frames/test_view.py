from __future__ import annotations

import numpy as np
import pytest

from facedeblur.data.frames.view import Change, apply_map, draw_change, inverse_map, view_matrix

BOX = (20.0, 30.0, 48.0)


def test_without_a_change_the_image_shows_the_box():
    matrix = view_matrix(BOX, 16)
    corners = apply_map(matrix, np.array([[-0.5, -0.5], [15.5, 15.5]]))  # the image's edges
    np.testing.assert_allclose(corners + 0.5, [[20, 30], [68, 78]])


def test_mirror_exchanges_left_and_right():
    points = np.array([[0.0, 3.0], [15.0, 3.0]])
    plain, mirrored = (apply_map(view_matrix(BOX, 16, Change(mirror=m)), points) for m in (False, True))
    np.testing.assert_allclose(plain, mirrored[::-1])


def test_turn_zoom_and_shift():
    centre = np.array([[7.5, 7.5]])
    moved = apply_map(view_matrix(BOX, 16, Change(shift=(0.25, -0.5))), centre)
    np.testing.assert_allclose(moved, [[20 + 24 - 0.5 + 12, 30 + 24 - 0.5 - 24]])
    matrix = view_matrix(BOX, 16, Change(zoom=2.0, turn=np.pi / 2))
    right = apply_map(matrix, centre + [1, 0]) - apply_map(matrix, centre)
    np.testing.assert_allclose(right, [[0, 6]], atol=1e-12)


def test_inverse():
    matrix = view_matrix(BOX, 16, Change(1.1, (0.1, 0.05), 0.3, True))
    points = np.random.default_rng(0).random((5, 2)) * 16
    np.testing.assert_allclose(apply_map(inverse_map(matrix), apply_map(matrix, points)), points)


def test_changes_have_the_asked_spread_and_zeros_change_nothing():
    rng = np.random.default_rng(1)
    assert draw_change(0, 0, 0, 0, rng) == Change()
    drawn = [draw_change(0.05, 0.03, 5.0, 0.5, rng) for _ in range(2000)]
    clipped = (
        0.88  # standard deviation of a normal one cut at two of its own, as its ends are moved inwards: .96; loose
    )
    assert clipped < np.std([np.log(c.zoom) for c in drawn]) / 0.05 < 1.0
    assert clipped < np.std([c.shift for c in drawn]) / 0.03 < 1.0
    assert clipped < np.std([np.rad2deg(c.turn) for c in drawn]) / 5 < 1.0
    assert np.mean([c.mirror for c in drawn]) == pytest.approx(0.5, abs=0.05)
