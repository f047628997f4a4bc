from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facedeblur.data.demo.portrait import (
    EXTENT,
    LANDMARKS,
    SCALE,
    fill,
    load_portrait,
    texture_grid,
    texture_size,
    to_texture,
)


def value_at(mask, points):
    x, y = np.round(to_texture(np.asarray(points, np.float32))).astype(int).T
    return mask[y, x]


def test_photograph_ships_with_scikit_image():
    import skimage.data

    assert (Path(skimage.data.__file__).parent / "astronaut.png").is_file()


def test_texture_grid_and_coordinates_are_inverse():
    width, height = texture_size()
    assert (width, height) == (EXTENT[0] * SCALE, EXTENT[1] * SCALE)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    np.testing.assert_allclose(to_texture(texture_grid()), np.stack([x, y], -1), atol=1e-3)


def test_texture_is_the_enlarged_photograph():
    from skimage.data import astronaut

    face = load_portrait().rgb[200:300, 250:330]
    left, top = texture_grid()[200, 250] + 0.5 - 0.5 / SCALE
    photo = astronaut()[round(top) : round(top + 100 / SCALE), round(left) : round(left + 80 / SCALE)]
    small = cv2.resize(face, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small - photo).mean() < 12


def test_layers_lie_where_they_should():
    portrait = load_portrait()
    assert value_at(portrait.alpha, LANDMARKS[17:]).min() > 0.99
    assert value_at(portrait.alpha, [(60, 20), (400, 20), (120, 100), (350, 150)]).max() == 0
    assert value_at(portrait.skin, LANDMARKS[27:36]).min() > 0.99
    assert value_at(portrait.hair, [(200, 40), (250, 40), (165, 80), (290, 80)]).min() > 0.99
    assert value_at(portrait.hair, LANDMARKS[27:68]).max() < 0.01
    assert value_at(portrait.suit, [(110, 300), (70, 330), (300, 300)]).min() > 0.9
    for mask in (portrait.alpha, portrait.skin, portrait.hair, portrait.suit):
        assert mask.dtype == np.float32
        assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6


def test_no_wall_shows_on_the_rim_of_the_hair():
    """The wall is light grey: hair that kept some of it would be far lighter on the rim than inside."""
    portrait = load_portrait()
    rim = (portrait.alpha > 0.2) & (portrait.alpha < 0.8) & (portrait.hair > 0.1)
    core = portrait.hair > 0.99
    assert rim.sum() > 300
    assert portrait.rgb[rim].mean() < portrait.rgb[core].mean() + 15


def test_fill_has_the_area_of_its_polygon():
    square = np.array([(200, 100), (240, 100), (240, 130), (200, 130)], np.float32)
    assert abs(fill(square).sum() / SCALE**2 - 40 * 30) < 40 * 30 * 0.06  # OpenCV draws the border too
    assert abs(fill(square, 2.0).sum() / fill(square).sum() - 1) < 1e-3
