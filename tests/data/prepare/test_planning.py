import tracemalloc

import cv2
import numpy as np
import pytest
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from facedeblur.blur.averages import average
from facedeblur.blur.response import Response, identity
from facedeblur.blur.schedule import blur_with_kernel, named_schedule
from facedeblur.blur.settings import BlurSettings
from facedeblur.blur.windows import range_iou
from facedeblur.data.prepare import planning
from facedeblur.data.prepare.planning import kernel_seed, pieces, plan_video
from facedeblur.faces.crop import crop, crop_box, resize
from facedeblur.faces.track import FaceTrack
from facedeblur.plugins import PluginError


class Film:
    """A portrait that sways in front of the camera; frames are made on demand and counted."""

    width, height, fps, backend = 128, 112, 25.0, "film"

    def __init__(self, frames, speed=2.0):
        self.count, self.speed = frames, speed
        self.read = 0
        self.passes = 0
        self.portrait = cv2.resize(np.ascontiguousarray(astronaut()[0:270, 90:360]), (160, 160))

    def offset(self, index):
        return int(round(10 + 9 * np.sin(self.speed * index / 12))), int(round(8 + 4 * np.cos(self.speed * index / 17)))

    def frames(self, start=0, stop=None):
        self.passes += 1
        for index in range(start, min(self.count, self.count if stop is None else stop)):
            x, y = self.offset(index)
            self.read += 1
            yield np.ascontiguousarray(self.portrait[y : y + self.height, x : x + self.width])

    def track(self, cuts=(), missing=()):
        shape = np.random.default_rng(0).uniform(0, 1, (68, 2))
        shape = (shape - shape.min(0)) / np.ptp(shape, axis=0) * [60, 64] + [50, 35]
        landmarks = np.stack([shape - self.offset(i) for i in range(self.count)]).astype(np.float32)
        landmarks[list(missing)] = np.nan
        return FaceTrack(landmarks, tuple(cuts))


SCHEDULES = {name: named_schedule(name) for name in ("pravg7", "pravg", "vla", "trajectory", "camera_shake")}


def plan(film, track, *names, reverse=False, schedules=None):
    return plan_video(film, track, schedules or [SCHEDULES[name] for name in names], "fingerprint", reverse)


def spans(rows):
    return [(row["start"], row["length"]) for row in rows]


def test_pravg_windows_tile_every_segment():
    film = Film(80)
    rows = plan(film, film.track(cuts=(30,), missing=(50, 51)), "pravg7").rows
    expected = [s for first, last in ((0, 30), (30, 50), (52, 80)) for s in range(first, last - 6, 7)]
    assert spans(rows) == [(start, 7) for start in expected]
    assert [row["shot"] for row in rows] == [0 if start < 30 else 1 for start in expected]
    assert {row["stop"] for row in rows} == {"length"} and {row["kernel_seed"] for row in rows} == {-1}


def test_every_length_of_pravg_tiles_by_itself():
    film = Film(50)
    rows = plan(film, film.track(), "pravg").rows
    assert spans(rows) == sorted((s, n) for n in (7, 9, 11, 15, 21) for s in range(0, 50 - n + 1, n))


CHOOSERS = """
def ends(landmarks): return [(len(landmarks) - 9, 9), (0, 5)]
def even(landmarks): return [(0, 6)]
def beyond(landmarks): return [(len(landmarks) - 4, 5)]
def none(landmarks): return ()
def throws(landmarks): raise KeyError("eyes")
"""


def chooser(tmp_path, name):
    (tmp_path / "choosers.py").write_text(CHOOSERS)
    return BlurSettings("own", {"mine": 1.0}, ("mine",), windows={"mine": f"{tmp_path}/choosers.py:{name}"}).training()


def test_windows_of_ones_own_are_those_of_every_shot(tmp_path):
    film = Film(40)
    found = plan(film, film.track(cuts=(15,)), schedules=chooser(tmp_path, "ends"))
    assert spans(found.rows) == [(0, 5), (6, 9), (15, 5), (31, 9)]
    pravg = plan(film, film.track(), schedules=[named_schedule("mine", kind="pravg", lengths=(5,))]).rows[0]
    assert found.rows[0]["psnr"] == pravg["psnr"] and found.rows[0]["kernel_seed"] == -1
    assert plan(film, film.track(), schedules=chooser(tmp_path, "none")).rejects["mine"] == {"none chosen": 1}


@pytest.mark.parametrize(
    ("name", "told"),
    (("even", r"got \(0, 6\)"), ("beyond", r"among 40, got \(36, 5\)"), ("throws", "KeyError: 'eyes'")),
)
def test_what_is_no_choice_of_windows_is_named(tmp_path, name, told):
    film = Film(40)
    with pytest.raises(PluginError, match=rf"^blur\.windows\.mine: .*{told}"):
        plan(film, film.track(), schedules=chooser(tmp_path, name))


@pytest.mark.parametrize("names", [("pravg", "vla", "trajectory", "camera_shake")])
def test_no_window_crosses_a_cut_or_a_gap(names):
    film = Film(120)
    track = film.track(cuts=(33, 71), missing=(20, 90))
    for row in plan(film, track, *names, reverse=True).rows:
        frames = range(row["start"], row["start"] + row["length"])
        assert track.valid[list(frames)].all()
        assert not any(cut in frames and cut != row["start"] for cut in track.cuts)


def test_rows_carry_crop_and_landmarks_of_the_target():
    film = Film(40)
    track = film.track()
    for row in plan(film, track, "pravg7", "vla", "trajectory").rows:
        target = row["start"] + row["length"] // 2
        np.testing.assert_array_equal(row["landmarks"], track.landmarks[target])
        assert (row["x"], row["y"], row["side"]) == crop_box(track.landmarks[target])


def luminance(rgb):
    return rgb[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]


def measured(blurry, sharp):
    """PSNR and SSIM of two RGB images in [0, 255] on luminance, by scikit-image."""
    a, b = (luminance(np.clip(np.rint(image), 0, 255)) for image in (blurry, sharp))
    return (
        peak_signal_noise_ratio(b, a, data_range=255),
        structural_similarity(b, a, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255),
    )


@pytest.mark.parametrize("curve", [identity, Response(2.2)])
def test_quality_is_that_of_the_pair_made_from_colour_frames(curve):
    film = Film(60, speed=0.7)
    schedules = [named_schedule("pravg21", response=curve.name), named_schedule("vla", response=curve.name)]
    rows = plan(film, film.track(), schedules=schedules).rows
    frames = list(film.frames())
    assert {row["schedule"] for row in rows} == {"pravg21", "vla"} and len(rows) >= 4
    for row in rows:
        box = crop_box(film.track().landmarks[row["start"] + row["length"] // 2])
        crops = [crop(frame, box) for frame in frames[row["start"] : row["start"] + row["length"]]]
        expected = measured(resize(average(crops, curve), 256), resize(crops[len(crops) // 2], 256))
        assert row["response"] == curve.name
        assert row["psnr"] == pytest.approx(expected[0], abs=0.1)
        assert row["ssim"] == pytest.approx(expected[1], abs=0.005)


def test_kernel_windows_are_single_frames_with_reproducible_kernels():
    film = Film(30)
    rows = plan(film, film.track(missing=(3,)), "trajectory").rows
    assert spans(rows) == [(start, 1) for start in (0, 4, 11, 18, 25)]
    frames = list(film.frames())
    for row in rows:
        assert row["kernel_seed"] == kernel_seed("fingerprint", row["start"], SCHEDULES["trajectory"])
        sharp = resize(crop(frames[row["start"]], crop_box(film.track().landmarks[row["start"]])), 256)
        expected = measured(blur_with_kernel(sharp, SCHEDULES["trajectory"], row["kernel_seed"]), sharp)
        assert row["psnr"] == pytest.approx(expected[0], abs=0.1)
        assert row["ssim"] == pytest.approx(expected[1], abs=0.005)


def test_kernel_seeds_depend_on_file_frame_and_schedule():
    base = kernel_seed("a", 0, SCHEDULES["trajectory"])
    assert 0 <= base < 2**31
    assert base == kernel_seed("a", 0, named_schedule("trajectory"))
    others = [
        ("b", 0, SCHEDULES["trajectory"]),
        ("a", 1, SCHEDULES["trajectory"]),
        ("a", 0, SCHEDULES["camera_shake"]),
        ("a", 0, named_schedule("trajectory", seed=1)),
    ]
    assert len({base, *(kernel_seed(*other) for other in others)}) == 5


def test_a_video_is_read_once_for_all_schedules_and_no_further_than_needed():
    film = Film(100)
    plan(film, film.track(missing=range(40, 100)), *SCHEDULES, reverse=True)
    assert film.passes == 1
    assert film.read <= 40


def test_without_a_segment_nothing_is_read():
    film = Film(10)
    found = plan(film, film.track(missing=range(10)), *SCHEDULES)
    assert found.rows == [] and film.read == 0


def test_short_segments_are_counted():
    film = Film(20)
    found = plan(film, film.track(cuts=(5,)), "pravg7", "vla")
    assert found.rejects["pravg7"] == {"short: end": 1}
    assert found.rejects["vla"]["short: end"] >= 1


def test_reversed_windows_start_at_the_end_and_repeat_nothing():
    film = Film(60)
    rows = plan(film, film.track(), "pravg7", "vla", reverse=True).rows
    for name in ("pravg7", "vla"):
        forward = spans(r for r in rows if r["schedule"] == name and not r["reverse"])
        backward = spans(r for r in rows if r["schedule"] == name and r["reverse"])
        assert forward == spans(plan(film, film.track(), name).rows), "the forward pass does not change"
        for window in backward:
            for other in forward:
                near = abs(window[0] + window[1] // 2 - other[0] - other[1] // 2) <= 1
                assert not (near and range_iou(window, other) > 0.5)
    # 60 frames: the pass from the end is 4 frames off the forward one
    assert spans(r for r in rows if r["schedule"] == "pravg7" and r["reverse"])[-1] == (53, 7)


def test_a_reversed_window_repeats_no_forward_one_of_another_length():
    """The rule, written out frame by frame: same middle within one frame, more than half of all frames in common."""

    def alike(a, b):
        frames, others = set(range(a[0], sum(a))), set(range(b[0], sum(b)))
        middles = abs(sorted(frames)[len(frames) // 2] - sorted(others)[len(others) // 2])
        return middles <= 1 and len(frames & others) > len(frames | others) / 2

    film, lengths = Film(97), (7, 9, 11, 15, 21)
    rows = plan(film, film.track(cuts=(43,)), "pravg", reverse=True).rows
    expected, repeats_another_length = [], 0
    for first, stop in ((0, 43), (43, 97)):
        forward = [(s, n) for n in lengths for s in range(first, stop - n + 1, n)]
        backward = [(s, n) for n in lengths for s in range(stop - n, first - 1, -n)]
        for window in backward:
            same = [other for other in forward if alike(window, other)]
            repeats_another_length += bool(same) and all(other[1] != window[1] for other in same)
            expected += [] if same else [window]
    assert repeats_another_length > 3 and len(expected) > 3
    assert spans(row for row in rows if row["reverse"]) == sorted(expected)


def test_a_still_video_gives_capped_windows_without_blur():
    film = Film(102, speed=0.0)
    assert plan(film, film.track(), "vla").rejects["vla"] == {"static": 2}
    rows = plan(film, film.track(), schedules=[named_schedule("vla", vla={"static_threshold": 1.0})]).rows
    assert [(r["start"], r["length"], r["stop"]) for r in rows] == [(0, 51, "cap"), (51, 51, "end")]
    assert all(r["psnr"] == 60.0 and r["ssim"] == pytest.approx(1.0) for r in rows)


def test_the_plan_is_a_function_of_its_arguments():
    first, second = (plan(Film(50), Film(50).track(), *SCHEDULES, reverse=True).rows for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.pop("landmarks"), b.pop("landmarks"))
        assert a == b


def test_a_video_that_ends_early_gives_the_windows_it_can():
    film = Film(30)
    track = Film(60).track()
    assert spans(plan(film, track, "pravg7").rows) == [(0, 7), (7, 7), (14, 7), (21, 7)]


def test_long_shots_are_cut_into_pieces_for_vla(monkeypatch):
    assert pieces(10, 500, 1, 51) == [(10, 500)]
    bounds = pieces(0, 5000, 65536, 51)
    assert bounds[0][0] == 0 and bounds[-1][1] == 5000
    assert all(a[1] == b[0] for a, b in zip(bounds, bounds[1:], strict=False))
    assert max(stop - start for start, stop in bounds) <= planning.PIECE_FRAMES
    assert min(stop - start for start, stop in pieces(0, 1000, 2**30, 51)) >= 51


def test_memory_does_not_grow_with_the_length_of_the_video(monkeypatch):
    monkeypatch.setattr(planning, "PIECE_FRAMES", 30)
    schedules = [named_schedule("pravg21"), named_schedule("vla", vla={"max_length": 15})]
    peaks = []
    for frames in (100, 400):
        film = Film(frames)
        track = film.track()
        tracemalloc.start()
        plan(film, track, schedules=schedules, reverse=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 30 * 128 * 112, "fewer than 30 of the 300 further frames"
