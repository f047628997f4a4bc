from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from facedeblur.blur.schedule import blur_with_kernel, named_schedule
from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.pairs.pair import augmented, describe, read_pair
from facedeblur.data.plans.plan import Plan
from facedeblur.video.source import VideoError

from ..conftest import plan_row

SIZE = 32


def kernel_plan(clip_set, schedule: str) -> Plan:
    return Plan.from_rows(
        [plan_row(next(iter(clip_set.frames)), 9, 1, schedule=schedule, kernel_seed=77, stop="kernel")]
    )


def regenerate(meta):
    """The pair that had this meta data, bit for bit, read again from its video."""
    pair = read_pair(meta)
    if meta.augment is not None:
        seed, settings = meta.augment
        pair = augmented(pair, settings, seed)
    return pair


def test_meta_says_what_the_pair_is(clip_set):
    meta = describe(clip_set.plan[3], 3, SIZE, {})
    window = clip_set.plan[3]
    assert meta.row == 3
    assert (meta.video, meta.start, meta.length) == (
        window.window.video,
        window.window.start,
        window.window.length,
    )
    assert meta.crop == window.crop
    assert meta.kernel_seed is None
    centre = (window.crop.x + (window.crop.side - 1) / 2, window.crop.y + (window.crop.side - 1) / 2)
    shift = (window.landmarks - centre) * SIZE / window.crop.side
    np.testing.assert_allclose(meta.landmarks, shift + (SIZE - 1) / 2, atol=1e-3)
    pickle.dumps(meta)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_regenerate_needs_the_meta_alone(clip_set, flip):
    plain = read_pair(describe(clip_set.plan[10], 10, SIZE, {}))
    settings = AugmentSettings(flip=flip, photometric=1.0, noise=1.0, jpeg=1.0)
    pair = augmented(plain, settings, seed=4)
    assert not np.array_equal(pair.sharp, plain.sharp)
    again = regenerate(pickle.loads(pickle.dumps(pair.meta)))
    np.testing.assert_array_equal(again.blurry, pair.blurry)
    np.testing.assert_array_equal(again.sharp, pair.sharp)
    assert again.blurry.shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("name", ["trajectory", "camera_shake"])
def test_kernels_blur_the_finished_sharp_crop(clip_set, name):
    pair = read_pair(describe(kernel_plan(clip_set, name)[0], 0, SIZE, {}))
    truth = blur_with_kernel(pair.sharp, named_schedule(name), 77)
    np.testing.assert_allclose(pair.blurry, truth, atol=0.501)
    assert not np.array_equal(pair.blurry, pair.sharp)
    np.testing.assert_array_equal(regenerate(pair.meta).blurry, pair.blurry)


def test_kernel_settings_travel_in_the_meta(clip_set):
    schedule = named_schedule("trajectory", seed=9, response="gamma2.2")
    window = kernel_plan(clip_set, "trajectory")[0]
    meta = describe(window, 0, SIZE, {"trajectory": schedule})
    pair = read_pair(meta)
    truth = blur_with_kernel(pair.sharp, named_schedule("trajectory", seed=9, response=window.response), 77)
    np.testing.assert_allclose(pair.blurry, truth, atol=0.501)
    np.testing.assert_array_equal(regenerate(meta).blurry, pair.blurry)


def test_a_missing_video_is_named(clip_set):
    meta = replace(describe(clip_set.plan[0], 0, SIZE, {}), video="/nowhere.mp4")
    with pytest.raises(VideoError, match="/nowhere.mp4"):
        regenerate(meta)
