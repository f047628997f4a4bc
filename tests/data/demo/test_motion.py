from __future__ import annotations

import numpy as np
import pytest

from facedeblur.data.demo.motion import STYLES, draw_trajectory, wander


def table(shots):
    """(F, 8) yaw, pitch, roll, shift x and y, camera x and y, tilt."""
    return np.array([[s.pose.yaw, s.pose.pitch, s.pose.roll, *s.shift, *s.camera, s.tilt] for s in shots])


@pytest.mark.parametrize("corpus", ["A", "B"])
def test_trajectories_depend_on_the_seed_alone(corpus):
    first, again, other = (draw_trajectory(STYLES[corpus], 50, 25.0, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert first == again != other


@pytest.mark.parametrize("corpus", ["A", "B"])
@pytest.mark.parametrize("seed", range(5))
def test_motion_is_bounded_and_without_cuts(corpus, seed):
    style = STYLES[corpus]
    shots = draw_trajectory(style, 116, 25.0, (seed,))
    path = table(shots)
    assert np.abs(path[:, 0]).max() <= style.yaw
    assert np.abs(path[:, 3:5]).max() <= 1.2 * style.shift
    assert np.abs(np.diff(path, axis=0)).max() < 0.12
    assert np.abs(np.diff(path[:, 3:7], axis=0)).max() < 0.06


@pytest.mark.parametrize("corpus", ["A", "B"])
def test_every_clip_has_slow_and_fast_phases(corpus):
    ratios = []
    for seed in range(6):
        speed = np.linalg.norm(
            np.diff(table(draw_trajectory(STYLES[corpus], 116, 25.0, (seed,)))[:, :5], axis=0), axis=1
        )
        ratios.append(np.percentile(speed, 90) / np.percentile(speed, 10))
    assert min(ratios) > 2


def test_scale_multiplies_the_motion_and_leaves_speech():
    still, full = (draw_trajectory(STYLES["B"], 60, 25.0, (0,), scale) for scale in (0.0, 1.0))
    assert np.all(table(still) == 0) and all(shot.zoom == 1 for shot in still)
    assert [shot.pose.modes for shot in still] == [shot.pose.modes for shot in full]


def test_same_motion_at_twice_the_frame_rate():
    slow = table(draw_trajectory(STYLES["A"], 60, 25.0, (0,)))
    fast = table(draw_trajectory(STYLES["A"], 119, 50.0, (0,)))
    assert np.abs(fast[::2, :5] - slow[:, :5]).max() < 0.02


def test_wander_has_zero_mean_and_unit_variance_at_its_knots():
    values = wander(np.random.default_rng(0), np.arange(0, 30.0))
    assert abs(values.mean()) < 0.3 and 0.7 < values.std() < 1.2


def test_talking_head_blinks_and_talks():
    modes = np.array([shot.pose.modes for shot in draw_trajectory(STYLES["B"], 250, 25.0, (0,))])
    blink, jaw, close = modes.T[:3]
    assert blink.max() > 0.8 and np.median(blink) == 0
    assert jaw.max() > 0.4 and close.max() > 0.2
    assert np.all((jaw == 0) | (close == 0))
