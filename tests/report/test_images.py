from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from facedeblur.errors import UsageError
from facedeblur.report.images import data_uri, enlarged, read_rgb, with_landmarks


def decoded(uri):
    data = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_lossless_uris_hold_the_very_pixels_in_rgb_order(picture, tmp_path):
    uri = data_uri(picture, quality=0)
    assert uri.startswith("data:image/png;base64,")
    np.testing.assert_array_equal(decoded(uri), picture)
    path = tmp_path / "a.png"
    path.write_bytes(base64.b64decode(uri.split(",")[1]))
    np.testing.assert_array_equal(read_rgb(path), picture)
    assert data_uri(path) == uri


def test_jpeg_uris_are_close():
    smooth = np.linspace(0, 255, 32).astype(np.uint8)[:, None, None].repeat(32, 1).repeat(3, 2)
    assert data_uri(smooth).startswith("data:image/jpeg")
    assert np.abs(decoded(data_uri(smooth)).astype(int) - smooth).max() < 12


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(UsageError, match="gone.png: no readable image"):
        read_rgb(tmp_path / "gone.png")


def test_enlarging_keeps_the_aspect(picture):
    assert enlarged(picture, 90).shape == (60, 90, 3)


def test_landmarks_are_drawn_where_they_are():
    black = np.zeros((64, 64, 3), np.uint8)
    points = np.full((68, 2), (16.0, 48.0))
    drawn = with_landmarks(black, points, side=256)
    ys, xs = np.nonzero(drawn.sum(axis=2) > 300)
    # pixel 16 of 64 covers pixels 64-67 of 256; its centre is 65.5
    assert xs.mean() == pytest.approx(65.5, abs=0.6) and ys.mean() == pytest.approx(193.5, abs=0.6)
    assert not with_landmarks(black, None).any()
    assert with_landmarks(black, None, truth=np.stack([np.arange(68) * 0.9, np.arange(68) * 0.9], 1)).any()
