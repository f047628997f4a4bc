from __future__ import annotations

import numpy as np

from facedeblur.faces.mirror import MIRRORED_POINT, mirror_points


def symmetric_face() -> np.ndarray:
    """68 points that lie symmetrically about x = 0 because each part is drawn so, in the order of Multi-PIE."""

    def loop(count, first, radii, centre=(0.0, 0.0)):
        """Clockwise on the screen from the angle `first`."""
        angles = np.deg2rad(first) + 2 * np.pi * np.arange(count) / count
        return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)

    jaw = [(-np.cos(t), 0.2 + np.sin(t)) for t in np.linspace(0, np.pi, 17)]
    brows = [
        (x, -0.5 - 0.1 * np.cos(4 * (abs(x) - 0.5)))
        for x in (-0.8, -0.65, -0.5, -0.35, -0.2, 0.2, 0.35, 0.5, 0.65, 0.8)
    ]
    bridge = [(0, y) for y in (-0.3, -0.2, -0.1, 0)]
    nostrils = [(x, 0.1 + 0.02 * (x == 0)) for x in (-0.2, -0.1, 0, 0.1, 0.2)]
    # both eyes start at the corner on the left of the image and go over the upper lid
    eyes = [*loop(6, 180, (0.15, 0.06), (-0.45, -0.3)), *loop(6, 180, (0.15, 0.06), (0.45, -0.3))]
    lips = [*loop(12, 180, (0.35, 0.15), (0, 0.5)), *loop(8, 180, (0.28, 0.06), (0, 0.5))]
    return np.array([*jaw, *brows, *bridge, *nostrils, *eyes, *lips])


def test_a_symmetric_face_is_its_own_mirror_image():
    face = symmetric_face()
    assert face.shape == (68, 2)
    in_pixels = (50 + 40 * face).astype(np.float32)  # symmetric about x = 50, the middle of 101 columns
    np.testing.assert_allclose(mirror_points(in_pixels, 101), in_pixels, atol=1e-4)
    assert len(np.unique(np.rint(100 * face), axis=0)) > 60  # so the points do tell which is which


def test_mirroring_twice_changes_nothing():
    points = np.random.default_rng(0).uniform(0, 100, (3, 68, 2)).astype(np.float32)
    twice = mirror_points(mirror_points(points, 64), 64)
    np.testing.assert_allclose(twice, points, atol=1e-4)
    assert twice.dtype == np.float32
    np.testing.assert_array_equal(MIRRORED_POINT[MIRRORED_POINT], np.arange(68))
    assert not np.allclose(mirror_points(points, 64), points)
