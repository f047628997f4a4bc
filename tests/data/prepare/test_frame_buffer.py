"""Frames kept for windows: the region of a shot, cropped in its own coordinates."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.data.prepare.frame_buffer import FrameBuffer
from facedeblur.faces.crop import crop, crop_box
from facedeblur.faces.track import FaceTrack

WIDTH, HEIGHT = 90, 70


@pytest.fixture
def track():
    """Five frames: two of one shot, one without a face, two of the next shot, the last near the border."""
    rng = np.random.default_rng(0)
    middles = ((40, 30), (43, 31), None, (20, 40), (5, 66))
    landmarks = np.full((5, 68, 2), np.nan, np.float32)
    for index, middle in enumerate(middles):
        if middle is not None:
            landmarks[index] = np.array(middle) + rng.uniform(-8, 8, (68, 2))
    return FaceTrack(landmarks, cuts=(3,))


def test_crops_out_of_a_region_are_crops_out_of_the_frame(track):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (5, HEIGHT, WIDTH, 3), np.uint8)
    buffer = FrameBuffer(track, WIDTH, HEIGHT)
    for index, frame in enumerate(frames):
        buffer.add(index, frame)
    assert len(buffer) == 4  # the one without a face is not kept
    for index in (0, 1, 3, 4):
        grey = cv2.cvtColor(frames[index], cv2.COLOR_RGB2GRAY)
        expected = crop(grey, crop_box(track.landmarks[index]))
        np.testing.assert_array_equal(crop(buffer[index], buffer.local_box(index)), expected)
        assert buffer[index].size == buffer.area(index) <= WIDTH * HEIGHT
    assert buffer[0].shape == buffer[1].shape  # frames of one shot can be averaged


def test_the_oldest_are_forgotten(track):
    buffer = FrameBuffer(track, WIDTH, HEIGHT)
    for index in range(5):
        buffer.add(index, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    buffer.forget(4)
    buffer.forget(1)  # what is forgotten stays so
    assert len(buffer) == 1 and buffer[4].dtype == np.uint8
    with pytest.raises(KeyError):
        buffer[3]
