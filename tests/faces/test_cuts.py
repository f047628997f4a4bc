from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from facedeblur.faces.cuts import CutDetector

PHOTOS = {"astronaut": data.astronaut(), "cat": data.chelsea(), "coffee": data.coffee()}


def find_cuts(frames):
    """Index of each frame that starts a new shot."""
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector.update(frame)]


def pan(photo: np.ndarray, count: int, step: int = 3, size: int = 240) -> list[np.ndarray]:
    """A camera moving over a photo."""
    return [photo[20 : 20 + size, i * step : i * step + size].copy() for i in range(count)]


def test_cuts_between_moving_shots():
    frames = pan(PHOTOS["astronaut"], 12) + pan(PHOTOS["cat"], 9) + pan(PHOTOS["coffee"], 7)
    assert find_cuts(frames) == [12, 21]


def test_a_cut_in_the_second_frame():
    assert find_cuts([*pan(PHOTOS["cat"], 1), *pan(PHOTOS["coffee"], 5)]) == [1]


def test_a_shot_of_one_frame():
    frames = pan(PHOTOS["astronaut"], 6) + pan(PHOTOS["cat"], 1) + pan(PHOTOS["coffee"], 6)
    assert find_cuts(frames) == [6, 7]


@pytest.mark.parametrize("step", [0, 3, 10])
def test_motion_is_no_cut(step):
    assert find_cuts(pan(PHOTOS["astronaut"], 20, step)) == []


def test_sudden_motion_is_no_cut():
    frames = pan(PHOTOS["astronaut"], 10, step=0) + pan(PHOTOS["astronaut"][:, 12:], 10, step=0)
    assert find_cuts(frames) == []


def test_noise_and_slow_light_are_no_cut():
    rng = np.random.default_rng(0)
    frames = [
        np.clip(f * (0.6 + 0.02 * i) + rng.normal(0, 12, f.shape), 0, 255).astype(np.uint8)
        for i, f in enumerate(pan(PHOTOS["cat"], 20))
    ]
    assert find_cuts(frames) == []


@pytest.mark.parametrize("height,width", [(33, 47), (64, 64), (300, 200), (1080, 1920)])
def test_any_size(height, width):
    dark, light = np.zeros((height, width, 3), np.uint8), np.full((height, width, 3), 255, np.uint8)
    assert find_cuts([dark, dark, light, light, light, dark]) == [2, 5]


def test_detector_is_incremental():
    frames = pan(PHOTOS["astronaut"], 5) + pan(PHOTOS["cat"], 5)
    detector = CutDetector()
    assert [detector.update(frame) for frame in frames] == [False] * 5 + [True] + [False] * 4
