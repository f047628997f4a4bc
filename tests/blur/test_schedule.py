import dataclasses

import numpy as np
import pytest
from skimage.data import astronaut

from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.photo_motion import MotionSettings, motion_blur
from facedeblur.blur.response import Response
from facedeblur.blur.schedule import Schedule, blur_single, blur_with_kernel, kernel_for, named_schedule
from facedeblur.blur.trajectory import TrajectorySettings, trajectory_kernel
from facedeblur.blur.vla import VLASettings


@pytest.fixture
def sharp():
    return np.ascontiguousarray(astronaut()[:64, 180:244])


@pytest.mark.parametrize("length", [7, 9, 11, 15, 21])
def test_pravg_names_give_the_length(length):
    schedule = named_schedule(f"pravg{length}")
    assert (schedule.name, schedule.kind, schedule.lengths) == (f"pravg{length}", "pravg", (length,))


def test_other_names():
    assert named_schedule("pravg").lengths == (7, 9, 11, 15, 21)
    assert named_schedule("vla").vla == VLASettings()
    assert [named_schedule(n).uses_kernels for n in ("pravg", "vla", "trajectory", "camera_shake")] == [0, 0, 1, 1]


def test_overrides_reach_the_settings():
    schedule = named_schedule("vla", stride=3, response="gamma2.2", vla={"quality_threshold": 0.9})
    assert (schedule.stride, schedule.response, schedule.vla.quality_threshold) == (3, "gamma2.2", 0.9)
    assert named_schedule("trajectory", trajectory={"expl": [0.005]}).trajectory.expl == (0.005,)
    assert named_schedule("pravg", lengths=[5, 13]).lengths == (5, 13)


@pytest.mark.parametrize(
    "name, overrides, message",
    [
        ("gaussian", {}, "blur: must be one of pravg7.* got 'gaussian'"),
        ("pravg8", {}, "length: .* got 8"),
        ("pravg", {"lengths": ()}, "lengths: must be given for pravg"),
        ("vla", {"lengths": (7,)}, "lengths: must be empty for vla"),
        ("vla", {"stride": 0}, "stride: .* got 0"),
        ("vla", {"response": "srgb"}, "response: .* got 'srgb'"),
        ("vla", {"speed": 3}, "vla: unknown key 'speed'"),
        ("vla", {"vla": {"tau": 3}}, "vla.vla: unknown key 'tau'"),
        ("vla", {"kind": "magic"}, "kind: .* got 'magic'"),
    ],
)
def test_impossible_schedules_name_the_key(name, overrides, message):
    with pytest.raises(ValueError, match=message):
        named_schedule(name, **overrides)


def test_fingerprint_follows_every_setting():
    base = named_schedule("vla")
    assert base.fingerprint() == Schedule(name="vla", kind="vla").fingerprint()
    others = [
        named_schedule("vla", stride=5),
        named_schedule("vla", seed=1),
        named_schedule("vla", response="gamma2.2"),
        named_schedule("vla", vla={"flow": False}),
        named_schedule("vla", vla={"quality_threshold": 0.86}),
        named_schedule("pravg"),
    ]
    assert len({schedule.fingerprint() for schedule in [base, *others]}) == len(others) + 1


def test_kernel_for_dispatches():
    settings = TrajectorySettings(bank=5)
    np.testing.assert_array_equal(kernel_for("trajectory", 2, 64, settings, 9), trajectory_kernel(2, 64, settings, 9))
    schedule = named_schedule("trajectory", seed=9, trajectory={"bank": 5})
    np.testing.assert_array_equal(schedule.kernel(2, 64), trajectory_kernel(2, 64, settings, 9))
    assert kernel_for("camera_shake", 2, 64, CameraShakeSettings(bank=5)).sum() == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="kind"):
        kernel_for("pravg", 2, 64, settings)


@pytest.mark.parametrize("curve, exponent", [("identity", 1.0), ("gamma2.2", 2.2)])
def test_trajectory_blur_by_hand(sharp, curve, exponent):
    schedule = named_schedule("trajectory", response=curve, trajectory={"bank": 5})
    light = apply_kernel(255 * (sharp / 255.0) ** exponent, schedule.kernel(3, 64))
    blurry = blur_with_kernel(sharp, schedule, 3)
    assert blurry.dtype == np.float32 and blurry.shape == sharp.shape
    np.testing.assert_allclose(blurry, 255 * (light / 255) ** (1 / exponent), atol=0.05)


def test_camera_shake_adds_its_noise(sharp):
    noisy = named_schedule("camera_shake", camera_shake={"bank": 5, "noise": 0.1})
    clean = dataclasses.replace(noisy, camera_shake=CameraShakeSettings(bank=5, noise=0.0))
    flat = np.full((64, 64, 3), 128, np.uint8)
    np.testing.assert_allclose(blur_with_kernel(flat, clean, 1), 128.0, atol=1e-3)
    deviations = [blur_with_kernel(flat, noisy, seed).std() / 255 for seed in range(50)]
    assert max(deviations) < 0.11 and np.mean(deviations) == pytest.approx(0.05, abs=0.01)
    np.testing.assert_array_equal(blur_with_kernel(sharp, noisy, 7), blur_with_kernel(sharp, noisy, 7))
    assert not np.array_equal(blur_with_kernel(sharp, noisy, 7), blur_with_kernel(sharp, noisy, 12))  # same kernel


def test_blur_stays_in_range():
    checks = np.kron([[0, 255], [255, 0]], np.ones((32, 32))).astype(np.uint8)
    schedule = named_schedule("camera_shake", camera_shake={"bank": 5, "noise": 0.2})
    blurry = blur_with_kernel(checks, schedule, 2)
    assert blurry.min() >= 0 and blurry.max() <= 255


def test_schedules_of_single_frames_go_to_their_blur():
    rng = np.random.default_rng(0)
    sharp, points = rng.integers(0, 256, (64, 64, 3), np.uint8), rng.uniform(16, 48, (68, 2))
    kernels = named_schedule("sharp", sharp={"unchanged": 1.0})
    np.testing.assert_array_equal(blur_single(sharp, kernels, 3, points), sharp)
    motion = named_schedule("motion", motion={"shift": 0.2}, response="gamma2.2")
    truth = motion_blur(sharp, points, 3, MotionSettings(shift=0.2), response=Response(2.2))
    np.testing.assert_array_equal(blur_single(sharp, motion, 3, points), truth)
    assert kernels.uses_kernels and motion.uses_kernels
    with pytest.raises(ValueError, match="motion"):
        motion.kernel(3, 64)
