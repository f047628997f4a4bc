from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.annotation import annotation_of
from facedeblur.faces.dlib_models import has_dlib
from facedeblur.faces.track import FaceTrack, load_people, save_people, track_people
from facedeblur.video.source import VideoError

from ..array_source import ArraySource

needs_dlib = pytest.mark.skipif(not has_dlib(), reason="needs the extra faces")


def landmarks_where(valid) -> np.ndarray:
    landmarks = np.random.default_rng(0).uniform(0, 60, (len(valid), 68, 2)).astype(np.float32)
    landmarks[~np.array(valid, bool)] = np.nan
    return landmarks


@pytest.mark.parametrize(
    ("valid", "cuts", "expected"),
    [
        ("11111", (), [(0, 5)]),
        ("00000", (2,), []),
        ("0110111", (), [(1, 3), (4, 7)]),
        ("1111111", (2, 5), [(0, 2), (2, 5), (5, 7)]),
        ("1101111", (2, 3, 4), [(0, 2), (3, 4), (4, 7)]),
    ],
)
def test_segments(valid, cuts, expected):
    track = FaceTrack(landmarks_where([c == "1" for c in valid]), cuts)
    assert track.segments() == expected
    assert track.valid.tolist() == [c == "1" for c in valid]


def test_segments_against_brute_force():
    rng = np.random.default_rng(1)
    for _ in range(100):
        valid, cuts = rng.random(30) < 0.8, tuple(np.flatnonzero(rng.random(30) < 0.15)[1:].tolist())
        labels, shot = [], 0
        for i in range(30):
            shot += i in cuts
            labels.append(shot if valid[i] else None)
        segments = FaceTrack(landmarks_where(valid), cuts).segments()
        covered = [i for start, stop in segments for i in range(start, stop)]
        assert covered == np.flatnonzero(valid).tolist()
        for start, stop in segments:
            assert len(set(labels[start:stop])) == 1
            assert start == 0 or labels[start - 1] != labels[start]


def test_one_missing_coordinate_makes_a_frame_invalid():
    landmarks = landmarks_where([1, 1])
    landmarks[1, 5, 0] = np.nan
    assert FaceTrack(landmarks).valid.tolist() == [True, False]


def test_save_and_load(tmp_path):
    people = [FaceTrack(landmarks_where([1, 0, 1]), (2,), np.array([5, np.nan, 7], np.float32)) for _ in range(2)]
    save_people(tmp_path / "new" / "a.npz", people, 3, (2,))
    for loaded, track in zip(load_people(tmp_path / "new" / "a.npz"), people, strict=True):
        np.testing.assert_array_equal(loaded.landmarks, track.landmarks)
        np.testing.assert_array_equal(loaded.sharpness, track.sharpness)
        assert loaded.cuts == (2,) and loaded.landmarks.dtype == np.float32
    save_people(tmp_path / "none.npz", [], 3, ())
    assert load_people(tmp_path / "none.npz") == []


def test_blurred_frames_count_as_frames_without_a_face():
    values = np.array([100, 90, 20, np.nan, 110, 45], np.float32)
    track = FaceTrack(landmarks_where([1, 1, 1, 0, 1, 1]), (), values)
    gated, dropped = track.without_blurred(least=0, share=0.4)  # of the median, 90
    assert gated.valid.tolist() == [True, True, False, False, True, True] and dropped == 1
    gated, dropped = track.without_blurred(least=50, share=0.0)
    assert gated.valid.tolist() == [True, True, False, False, True, False] and dropped == 2
    assert track.without_blurred(0, 0)[1] == 0 and FaceTrack(landmarks_where([1])).without_blurred(9, 9)[1] == 0


def annotate(clip, array, key="landmarks"):
    np.savez(clip.with_suffix(".npz"), **{key: array})


def test_annotation_is_fitted_to_the_frames(tmp_path):
    clip = tmp_path / "a.b.mp4"
    landmarks = landmarks_where([1] * 10).astype(np.float64)
    annotate(clip, landmarks)
    same, cut, short = (annotation_of(clip).read(frames) for frames in (10, 7, 13))
    assert same.dtype == np.float32 and annotation_of(clip).read().shape == (10, 68, 2)
    np.testing.assert_array_equal(same, landmarks.astype(np.float32))
    np.testing.assert_array_equal(cut, same[:7])
    np.testing.assert_array_equal(short[:10], same)
    assert short.shape == (13, 68, 2) and np.isnan(short[10:]).all()


def test_annotation_errors_name_the_file(tmp_path):
    clip = tmp_path / "clip.mp4"
    annotate(clip, np.zeros((30, 68, 2)))
    with pytest.raises(VideoError, match="clip.npz: annotation has 30 frames, the video 20"):
        annotation_of(clip).read(20)
    annotate(clip, np.zeros((30, 5, 2)))
    with pytest.raises(VideoError, match=r"clip.npz: .*shape \(frames, 68, 2\), got \(30, 5, 2\)"):
        annotation_of(clip).read()
    annotate(clip, np.zeros((30, 68, 2)), key="points")
    with pytest.raises(VideoError, match="clip.npz: annotation without a readable array 'landmarks'"):
        annotation_of(clip).read()
    clip.with_suffix(".npz").write_bytes(b"nothing")
    with pytest.raises(VideoError, match="clip.npz"):
        annotation_of(clip).read()


class Anybody:
    """Everybody looks alike to it."""

    def embed(self, image, landmarks):
        return np.zeros(128, np.float32)


def test_all_people_or_the_most_prominent(scene, portraits):
    frames = np.zeros((30, 300, 300, 3), np.uint8)
    for i in range(30):
        frames[i, 0, 0] = i  # the script of a scene reads only the first pixel
        frames[i, :, 1:150], frames[i, :, 150:] = 3, 4  # who the embedder knows them as
        scene.faces[i] = [(60, 150, 20), (230, 150, 30)] if i != 15 else [(60, 150, 20)]
    people, cuts = track_people(ArraySource(frames), 30, scene, scene, lambda: portraits)
    assert cuts == () and len(people) == 2
    assert [np.nanmean(track.landmarks[:, :, 0]) for track in people] == pytest.approx([230, 60], abs=1)
    assert people[0].segments() == [(0, 15), (16, 30)]  # lost where it was not to be seen, found again, the same


def test_a_leap_in_time_starts_a_shot(scene):
    frames = np.zeros((20, 32, 32, 3), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None]
    scene.faces = {i: [(16, 16, 20)] for i in range(20)}
    (track,), cuts = track_people(ArraySource(frames), 20, scene, scene, lambda: Anybody(), gaps=(7,))
    assert cuts == track.cuts == (7,) and track.segments() == [(0, 7), (7, 20)]


def test_tracks_are_split_at_cuts(scene):
    frames = np.zeros((20, 32, 32, 3), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None]
    frames[12:, 8:] = 255  # the script of a scene reads only the first pixel
    scene.faces = {i: [(16 if i < 12 else 90, 16, 20)] for i in range(20)}
    (track,), _ = track_people(ArraySource(frames), 20, scene, scene, lambda: Anybody())
    assert track.cuts == (12,) and track.segments() == [(0, 12), (12, 20)]
