from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from facedeblur.data.demo.portrait import LANDMARKS, texture_grid, to_texture
from facedeblur.data.demo.warp import STEP, invert, sample, shape_lookup, spread


def independent_sample(field, points):
    nodes = np.moveaxis(to_texture(points), -1, 0)[::-1] / STEP
    planes = [map_coordinates(field[..., k], nodes, order=1, mode="nearest") for k in range(field.shape[-1])]
    return np.stack(planes, -1)


def to_native(texture):
    origin, unit = to_texture(np.zeros(2)), to_texture(np.ones(2)) - to_texture(np.zeros(2))
    return (texture - origin) / unit


@pytest.fixture
def targets():
    x, y = np.meshgrid(np.linspace(150, 300, 60), np.linspace(40, 200, 60))
    return np.stack([x, y], -1).astype(np.float32)


def test_sample_agrees_with_scipy(targets):
    field = np.random.default_rng(0).standard_normal((*texture_grid(STEP).shape[:2], 2)).astype(np.float32)
    # cv2.remap rounds positions to 1/32 of a node
    assert np.abs(sample(field, targets) - independent_sample(field, targets)).max() < 0.15
    smooth = gaussian_filter(field, (8, 8, 0)) * 30
    np.testing.assert_allclose(sample(smooth, targets), independent_sample(smooth, targets), atol=0.02)


@pytest.mark.parametrize("strength", [0.0, 5.0, 20.0])
def test_inversion_of_a_smooth_field(targets, strength):
    rng = np.random.default_rng(1)
    field = gaussian_filter(rng.standard_normal((*texture_grid(STEP).shape[:2], 2)), (12, 12, 0))
    field = (field / np.abs(field).max() * strength).astype(np.float32)
    found = to_native(invert(field, targets))
    np.testing.assert_allclose(found + independent_sample(field, found), targets, atol=0.06)


@pytest.mark.parametrize("stretch", [0.1, 3.5])
def test_inversion_survives_closing_lids_and_opening_mouths(targets, stretch):
    """A band of 8 native pixels that shrinks to a tenth, or grows more than threefold."""
    grid = texture_grid(STEP)
    field = np.zeros_like(grid)
    field[..., 1] = (stretch - 1) * np.clip(grid[..., 1] - 120, 0, 8)
    found = to_native(invert(field, targets))
    residual = np.abs(found + independent_sample(field, found) - targets).max(-1)
    assert residual.max() < 0.5 and residual.mean() < 0.03


def test_spread_passes_through_its_points_and_does_not_overshoot():
    grid = texture_grid(12)
    points = grid[4:20:4, 5:30:5].reshape(-1, 2)
    values = np.random.default_rng(0).uniform(-1, 1, (len(points), 3))
    field = spread(points, values, 12)
    np.testing.assert_allclose(field[4:20:4, 5:30:5].reshape(-1, 3), values, atol=1e-4)


def test_lookup_of_the_portrait_itself_is_the_identity():
    lookup = shape_lookup(LANDMARKS, hair_volume=1.0)
    np.testing.assert_allclose(lookup, to_texture(texture_grid()), atol=1e-2)


def test_lookup_sends_new_landmarks_to_old_ones():
    moved = LANDMARKS.copy()
    moved[48:68, 0] = 225 + (moved[48:68, 0] - 225) * 1.1
    lookup = shape_lookup(moved, hair_volume=1.1)
    x, y = to_texture(moved).T
    found = np.stack([map_coordinates(lookup[..., k], (y, x), order=1) for k in (0, 1)], -1)
    assert np.abs(found - to_texture(LANDMARKS)).max() < 0.7
