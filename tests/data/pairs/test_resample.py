"""Cutting and shrinking in one product, against cutting and then shrinking."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.data.pairs.resample import resample
from facedeblur.faces.crop import CropBox, crop, resize


@pytest.mark.parametrize(
    "box",
    [
        CropBox(10, 5, 64),
        CropBox(10, 5, 61),
        CropBox(-20, -9, 97),
        CropBox(60, 40, 80),
        CropBox(3, 2, 32),
        CropBox(3, 2, 20),
    ],
)  # whole and broken ratios, beyond two corners, of the very size, and enlarged
def test_it_is_crop_then_resize(box):
    image = np.random.default_rng(0).uniform(0, 255, (90, 110, 3)).astype(np.float32)
    expected = np.clip(resize(crop(image, box), 32), 0, 255)
    found = resample(image, box, 32)
    assert found.shape == (32, 32, 3) and found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_a_flat_image_stays_flat():
    assert (resample(np.full((50, 70, 3), 137, np.float32), CropBox(-30, -30, 100), 48) == 137).all()
