from collections import Counter

import numpy as np
import pytest

from facedeblur.blur.vla import VLASettings, reversed_vla_windows, vla_windows


@pytest.fixture
def face():
    """68 points of a face 100 px wide whose parts are boxes of about 30 px."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (68, 2))
    for part, corner in (
        (slice(27, 36), (35, 30)),
        (slice(36, 42), (5, 5)),
        (slice(42, 48), (65, 5)),
        (slice(48, 68), (35, 65)),
    ):
        points[part] = np.array(corner) + rng.uniform(0, 30, points[part].shape)
        points[part][:2] = np.array(corner), np.array(corner) + 30
    points[:2] = [[0, 0], [100, 100]]
    return points.astype(np.float32)


def moving(face, xs):
    return np.stack([face + np.array([x, 0], np.float32) for x in xs])


def good(start, stop):
    return 0.95


def decaying(per_frame):
    return lambda start, stop: 1.0 - per_frame * (stop - start)


def ranges(windows):
    return [(w.start, w.length, w.stop) for w in windows]


def test_a_still_face_is_capped_and_the_rest_ends(face):
    windows, dropped = vla_windows(moving(face, np.zeros(110)), good, VLASettings())
    assert ranges(windows) == [(0, 51, "cap"), (51, 51, "cap"), (102, 7, "end")]
    assert dropped == Counter({"short: end": 1})  # the one frame left


def test_quality_stops_at_the_threshold(face):
    # SSIM 1 - .01 L: 15 frames leave .85, 17 leave .83
    windows, _ = vla_windows(moving(face, np.zeros(60)), decaying(0.01), VLASettings(quality_threshold=0.85))
    assert ranges(windows)[:3] == [(s, 15, "quality") for s in (0, 15, 30)]


def test_quality_is_asked_for_odd_windows_only(face):
    asked = []
    vla_windows(moving(face, np.zeros(20)), lambda a, b: asked.append(b - a) or 0.95, VLASettings())
    assert asked and all(length % 2 == 1 for length in asked)


def test_flow_stops_at_a_reversal(face):
    there_and_back = [*range(0, 20), *range(20, 0, -1)]  # px of a 100 px face
    windows, _ = vla_windows(moving(face, there_and_back), good, VLASettings(overlap=False))
    # the maximum is frame 20; frame 24 is 4 px back, more than 3: 24 frames are fine, an odd number of them 23
    assert ranges(windows)[0] == (0, 23, "flow")


def test_flow_splits_at_a_jump(face):
    windows, dropped = vla_windows(moving(face, [0] * 10 + [60] * 10), good, VLASettings(overlap=False))
    assert ranges(windows) == [(0, 9, "flow"), (10, 9, "end")]
    assert dropped["short: flow"] == 1  # the frame before the jump that an odd window leaves over


def test_overlap_stops_when_the_parts_have_moved_apart(face):
    xs = 2.5 * np.arange(30)  # parts are 30 px wide
    windows, _ = vla_windows(moving(face, xs), good, VLASettings(overlap_threshold=0.0001, overlap_parts=4))
    first = windows[0]
    assert first.stop == "overlap"
    assert 30 / 2.5 - 3 <= first.length <= 30 / 2.5 + 2


@pytest.mark.parametrize(
    "condition, xs, ssim",
    [
        ("overlap", 4.0 * np.arange(40), good),
        ("quality", np.zeros(40), decaying(0.01)),
        ("flow", [*range(10), *range(10, 0, -1), *range(10), *range(10)], good),
    ],
)
def test_each_condition_can_be_switched_off(face, condition, xs, ssim):
    landmarks = moving(face, xs)
    only = {name: name == condition for name in ("overlap", "quality", "flow")}
    stops = {w.stop for w in vla_windows(landmarks, ssim, VLASettings(**only))[0]}
    assert condition in stops
    off = {name: False for name in only}
    assert ranges(vla_windows(landmarks, ssim, VLASettings(**off))[0]) == [(0, 39, "end")]


def test_short_windows_are_dropped_with_their_reason(face):
    windows, dropped = vla_windows(moving(face, np.zeros(40)), decaying(0.04), VLASettings(quality_threshold=0.85))
    assert windows == []
    assert dropped["short: quality"] > 0


def test_static_windows_can_be_dropped(face):
    still = vla_windows(moving(face, np.zeros(51)), lambda a, b: 0.99, VLASettings(static_threshold=0.98))
    assert still == ([], Counter({"static": 1}))
    assert len(vla_windows(moving(face, np.zeros(51)), lambda a, b: 0.99, VLASettings(static_threshold=1.0))[0]) == 1


def random_walk(face, seed, frames=200):
    return moving(face, np.cumsum(np.random.default_rng(seed).normal(0, 3, frames)))


@pytest.mark.parametrize("seed", range(5))
def test_windows_keep_their_promises(face, seed):
    settings = VLASettings()
    ssim = decaying(0.005)
    landmarks = random_walk(face, seed)
    windows, _ = vla_windows(landmarks, ssim, settings)
    assert windows
    for window, following in zip(windows, windows[1:] + [None], strict=True):
        assert settings.min_length <= window.length <= settings.max_length
        assert window.length % 2 == 1
        assert window.stop in {"overlap", "quality", "flow", "cap", "end"}
        assert ssim(window.start, window.start + window.length) >= settings.quality_threshold
        assert window.start + window.length <= (following.start if following else len(landmarks))


def test_stride_lets_windows_overlap(face):
    windows, _ = vla_windows(moving(face, np.zeros(60)), good, VLASettings(max_length=21), stride=5)
    assert [w.start for w in windows] == list(range(0, 55, 5))


def test_the_reversed_pass_is_the_forward_pass_of_the_reversed_video(face):
    landmarks = random_walk(face, 3)
    asked = []
    backward, _ = reversed_vla_windows(landmarks, lambda a, b: asked.append((a, b)) or 0.95, VLASettings())
    mirrored, _ = vla_windows(landmarks[::-1], good, VLASettings())
    assert ranges(backward) == [(200 - w.start - w.length, w.length, w.stop) for w in mirrored]
    assert asked[0] == (197, 200), "quality is asked in forward indices, from the last frame on"


def test_a_segment_shorter_than_the_least_length_gives_nothing(face):
    assert vla_windows(moving(face, np.zeros(6)), good, VLASettings())[0] == []
    assert vla_windows(np.zeros((0, 68, 2), np.float32), good, VLASettings()) == ([], Counter())


@pytest.mark.parametrize(
    "field, value",
    [
        ("min_length", 8),
        ("max_length", 50),
        ("max_length", 5),
        ("overlap_threshold", 1.5),
        ("quality_threshold", -0.1),
        ("static_threshold", 2.0),
        ("overlap_parts", 5),
        ("jump_threshold", 0.0),
        ("return_threshold", -1.0),
    ],
)
def test_impossible_settings_name_the_field(field, value):
    with pytest.raises(ValueError, match=f"{field}: .* got"):
        VLASettings(**{field: value})
