"""Every corpus is a test set: which windows it gives, and what their rows say of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.prepare.job import PrepareError
from facedeblur.evaluation import testset
from facedeblur.evaluation import truth as true_landmarks
from facedeblur.evaluation.settings import evaluation_settings
from facedeblur.evaluation.testset import TestPair, make_test_set
from facedeblur.faces.crop import crop_box, points_to_crop
from facedeblur.faces.dlib_models import has_dlib
from facedeblur.faces.pts import write_pts
from facedeblur.video.album import read_album
from facedeblur.video.write import write_video

POINTS = np.random.default_rng(0).random((68, 2)).astype(np.float32) * 40 + 30


def texture(shift: int) -> np.ndarray:
    """120 x 100, the same at every shift but for where it is."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(smooth[:, shift : shift + 120])


def made(plain, *words, images=None):
    settings = evaluation_settings(plain(*words))
    return make_test_set(settings.data, settings.schedules(), 1, images)


def pairs_of(tests, blur=0, size=64):
    blur = tests.blurs[blur]
    pairs = list(tests.pairs(blur, range(len(blur.plan)), size))
    assert all(isinstance(pair, TestPair) for pair in pairs)
    return pairs


SHORT = ("+schedule.vla.max_length=9", "+schedule.vla.quality=false")  # several windows in a short clip


def test_trajectories_blur_the_ground_truths_of_vla(plain):
    tests = made(plain, "blur=vla,trajectory", *SHORT)
    vla, trajectory = pairs_of(tests, 0), pairs_of(tests, 1)
    assert len(vla) > 2
    assert [(p.case.video, p.case.frame) for p in vla] == [(p.case.video, p.case.frame) for p in trajectory]
    assert {pair.case.L for pair in trajectory} == {1} and all(pair.case.L >= 7 for pair in vla)
    for averaged, kernel in zip(vla, trajectory, strict=True):
        np.testing.assert_array_equal(averaged.sharp, kernel.sharp)
        np.testing.assert_allclose(averaged.truth, kernel.truth)
        assert (kernel.blurry != kernel.sharp).any() and (kernel.blurry != averaged.blurry).any()
    seeds = tests.blurs[1].plan.column("kernel_seed")
    assert len(set(seeds)) == len(seeds)  # every image its own kernel
    again = pairs_of(made(plain, "blur=trajectory", *SHORT))
    np.testing.assert_array_equal(again[0].blurry, trajectory[0].blurry)


def test_a_share_of_the_windows_is_the_same_for_both(plain):
    tests = made(plain, "blur=vla,trajectory", *SHORT, images=2)
    assert [len(blur.plan) for blur in tests.blurs] == [2, 2]
    assert [p.case.frame for p in pairs_of(tests, 0)] == [p.case.frame for p in pairs_of(tests, 1)]


def test_photos_with_their_points(plain, tmp_path):
    for name in ("ann/1", "ann/2", "bob/1", "carl"):
        file = tmp_path / "photos" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), texture(len(name)))
        write_pts(file.with_suffix(".pts"), POINTS)
    words = ("data=stills", f"data.root={tmp_path / 'photos'}", f"data.cache={tmp_path / 'cache'}")
    tests = made(plain, *words, "blur=trajectory")
    pairs = pairs_of(tests)
    cases = [(pair.case.video, pair.case.identity, pair.case.frame, pair.case.L) for pair in pairs]
    assert sorted(cases) == [("ann/1.png", "ann", 0, 1), ("ann/2.png", "ann", 0, 1), ("bob/1.png", "bob", 0, 1),
                             ("carl.png", "carl", 0, 1)]  # fmt: skip
    assert (tests.annotated, tests.localised) == (4, 0)
    for pair in pairs:
        np.testing.assert_allclose(pair.truth, points_to_crop(POINTS, crop_box(POINTS), 64), atol=0.01)
    with pytest.raises(PrepareError, match="pravg7 averages frames, but photos have one"):
        made(plain, *words, "blur=pravg7")


def test_every_photo_of_an_album_is_annotated_or_not(plain, tmp_path, monkeypatch):
    """Of two photos in one album one has points; only the other's are the chosen localiser's."""
    for name in ("1", "2"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), texture(0))
        write_pts(tmp_path / f"{name}.pts", POINTS)
    words = ("data=stills", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "blur=trajectory")
    whole = made(plain, *words)
    (clip,) = whole.clips
    stills = read_album(clip.path)

    class Corner:
        def localize(self, image, box):
            return np.full((68, 2), 11, np.float32)

    blur = whole.blurs[0]
    for annotated in ("1.png", "2.png"):
        album = [s if s.image.endswith(annotated) else replace(s, points=None) for s in stills]
        for module in (testset, true_landmarks):
            monkeypatch.setattr(module, "stills_of", {clip.path: album}.get)
        pairs = {pair.case.video: pair.truth for pair in whole.pairs(blur, range(2), 64, Corner())}
        assert set(pairs) == {"1.png", "2.png"}
        for photo, truth in pairs.items():
            points = POINTS if photo == annotated else np.full((68, 2), 11.0)
            np.testing.assert_allclose(truth, points_to_crop(points, crop_box(POINTS), 64), atol=0.01)


def test_300vw_as_it_lies_on_disk(plain, tmp_path):
    for number in ("001", "114", "203"):
        folder = tmp_path / "300VW_Dataset_2015_12_14" / number
        folder.mkdir(parents=True)
        write_video(folder / "vid.avi", [texture(n) for n in range(15)])
        for frame in range(1, 16):
            write_pts(folder / "annot" / f"{frame:06}.pts", POINTS + frame / 10)
    tests = made(plain, "data=vw300", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "blur=pravg7")
    pairs = pairs_of(tests)
    cases = [(p.case.corpus, p.case.category, p.case.identity, p.case.video, p.case.frame, p.case.L) for p in pairs]
    assert cases == [
        ("vw300", category, video, f"{video}/vid.avi", frame, 7)
        for category, video in (("1", "114"), ("2", "203"))
        for frame in (3, 10)
    ]  # the test videos alone, their windows side by side
    landmarks = POINTS + 0.4  # of the middle frame, the fourth
    np.testing.assert_allclose(pairs[0].truth, points_to_crop(landmarks, crop_box(landmarks), 64), atol=0.01)
    assert (tests.annotated, tests.localised) == (2, 0)
    everybody = made(plain, "data=vw300", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "split=all")
    assert len(everybody.clips) == 3


def test_ytf_names_its_videos_as_its_pairs_do(plain, tmp_path):
    for name in ("Ann_A/0", "Ann_A/3", "Bob/1"):
        folder = tmp_path / "frame_images_DB" / name
        folder.mkdir(parents=True)
        for frame in range(8, 19):
            cv2.imwrite(str(folder / f"{folder.name}.{frame}.jpg"), texture(frame))
        np.savez(f"{folder}.npz", landmarks=np.repeat(POINTS[None], 11, axis=0))
    (tmp_path / "splits.txt").write_text("1, 1, Ann_A/0, Ann_A/3, 1\n10, 1, Bob/1, Ann_A/0, 0\n")
    tests = made(plain, "data=ytf", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "blur=pravg11")
    cases = {(pair.case.identity, pair.case.video, pair.case.frame) for pair in pairs_of(tests)}
    assert cases == {("Ann_A", "Ann_A/0", 5), ("Ann_A", "Ann_A/3", 5), ("Bob", "Bob/1", 5)}


def test_a_video_that_cannot_be_read_any_more_is_counted(plain, tmp_path):
    for number in ("114", "203"):
        folder = tmp_path / number
        folder.mkdir(parents=True)
        write_video(folder / "vid.avi", [texture(n) for n in range(15)])
        for frame in range(1, 16):
            write_pts(folder / "annot" / f"{frame:06}.pts", POINTS)
    tests = made(plain, "data=vw300", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}", "blur=pravg7")
    (tmp_path / "114/vid.avi").write_bytes(b"gone")
    found = list(tests.pairs(tests.blurs[0], range(4), 64))
    assert [type(item).__name__ for item in found] == ["tuple", "TestPair", "TestPair"]
    video, reason, lost = found[0]
    assert video.endswith("114/vid.avi") and reason and lost == 2


@pytest.mark.skipif(not has_dlib(), reason="the extra `faces` is not installed")
def test_another_localiser_says_where_the_landmarks_are_in_the_full_frame(plain, tmp_path):
    """The rendered clips without their annotation: dlib tracks the face, the chosen localiser gives the truth."""
    demo = made(plain)
    source = next(clip.path for clip in demo.clips)
    (tmp_path / "clips/id").mkdir(parents=True)
    (tmp_path / "clips/id/a.mp4").write_bytes(Path(source).read_bytes())
    tests = made(plain, "data=clips", f"data.root={tmp_path / 'clips'}", f"data.cache={tmp_path / 'cache'}")
    assert (tests.annotated, tests.localised) == (0, 1)
    shapes = []

    class Corner:
        def localize(self, image, box):
            shapes.append(image.shape)
            return np.full((68, 2), 11, np.float32)

    blur = tests.blurs[0]
    pair = next(tests.pairs(blur, range(1), 64, Corner()))
    assert shapes == [(128, 128, 3)]
    np.testing.assert_allclose(pair.truth, points_to_crop(np.full((68, 2), 11.0), blur.plan[0].crop, 64))
    own = next(tests.pairs(blur, range(1), 64))
    annotated = next(demo.pairs(demo.blurs[0], range(1), 64))
    assert abs(own.truth.mean() - annotated.truth.mean()) < 3  # dlib's own are near the rendered ones


def test_schedule_settings_reach_the_blur(plain):
    settings = evaluation_settings(plain("+schedule.trajectory.max_length=10", "blur=trajectory"))
    assert settings.schedules()[0].trajectory.max_length == 10
    assert settings.schedules()[0].fingerprint() != named_schedule("trajectory").fingerprint()
