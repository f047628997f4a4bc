from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces import track as track_module
from facedeblur.faces.annotation import read_annotation
from facedeblur.faces.dlib_models import FacesExtraError, has_dlib
from facedeblur.faces.track import FaceTrack, track_video, track_videos
from facedeblur.video.index import VideoInfo, index_videos
from facedeblur.video.source import ArraySource, VideoError
from facedeblur.video.write import write_video

needs_dlib = pytest.mark.skipif(not has_dlib(), reason='needs pip install "facedeblur[faces]"')


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
    track = FaceTrack(landmarks_where([1, 0, 1]), (2,))
    track.save(tmp_path / "new" / "a.npz")
    loaded = FaceTrack.load(tmp_path / "new" / "a.npz")
    np.testing.assert_array_equal(loaded.landmarks, track.landmarks)
    assert loaded.cuts == (2,) and loaded.landmarks.dtype == np.float32


def annotate(clip, array, key="landmarks"):
    np.savez(clip.with_suffix(".npz"), **{key: array})


def test_annotation_is_fitted_to_the_frames(tmp_path):
    clip = tmp_path / "a.b.mp4"
    assert read_annotation(clip) is None
    landmarks = landmarks_where([1] * 10).astype(np.float64)
    annotate(clip, landmarks)
    same, cut, short = (read_annotation(clip, frames) for frames in (10, 7, 13))
    assert same.dtype == np.float32 and read_annotation(clip).shape == (10, 68, 2)
    np.testing.assert_array_equal(same, landmarks.astype(np.float32))
    np.testing.assert_array_equal(cut, same[:7])
    np.testing.assert_array_equal(short[:10], same)
    assert short.shape == (13, 68, 2) and np.isnan(short[10:]).all()


def test_annotation_errors_name_the_file(tmp_path):
    clip = tmp_path / "clip.mp4"
    annotate(clip, np.zeros((30, 68, 2)))
    with pytest.raises(VideoError, match="clip.npz: annotation has 30 frames, the video 20"):
        read_annotation(clip, 20)
    annotate(clip, np.zeros((30, 5, 2)))
    with pytest.raises(VideoError, match=r"clip.npz: .*shape \(frames, 68, 2\), got \(30, 5, 2\)"):
        read_annotation(clip)
    annotate(clip, np.zeros((30, 68, 2)), key="points")
    with pytest.raises(VideoError, match="clip.npz: annotation without a readable array 'landmarks'"):
        read_annotation(clip)
    clip.with_suffix(".npz").write_bytes(b"nothing")
    with pytest.raises(VideoError, match="clip.npz"):
        read_annotation(clip)


def test_track_video_splits_at_cuts(scene):
    frames = np.zeros((20, 32, 32, 3), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None]
    frames[12:, 8:] = 255  # the script of a scene reads only the first pixel
    scene.faces = {i: [(16 if i < 12 else 90, 16, 10)] for i in range(20)}
    track = track_video(ArraySource(frames), 20, scene, scene)
    assert track.cuts == (12,) and track.segments() == [(0, 12), (12, 20)]


@pytest.fixture
def clips(tmp_path):
    """Two annotated clips, the second with a cut, and a cache."""
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    paths = []
    for name, frames in {"one": [scenes[0]] * 8, "two": [scenes[0]] * 5 + [scenes[1]] * 5}.items():
        path = tmp_path / f"{name}.mp4"
        write_video(path, frames)
        annotate(path, landmarks_where([1] * len(frames)))
        paths.append(path)
    return index_videos(paths, tmp_path / "cache"), tmp_path / "cache"


def test_annotation_wins_and_cuts_are_detected(clips, monkeypatch):
    infos, cache = clips
    monkeypatch.setattr(track_module, "has_dlib", lambda: False)
    seen = []
    tracks = track_videos(infos, cache, progress=lambda *told: seen.append(told))
    one, two = (tracks[info.path] for info in infos)
    np.testing.assert_array_equal(one.landmarks, landmarks_where([1] * 8))
    assert one.cuts == () and two.cuts == (5,)
    assert sorted(seen) == [(1, 2, seen[0][2]), (2, 2, seen[1][2])]


def test_tracks_are_cached_by_video_and_annotation(clips, monkeypatch):
    infos, cache = clips
    first = track_videos(infos, cache)

    run_limited, tasks_run = track_module.run_limited, []

    def counted(work, tasks, *args):
        tasks_run.extend(tasks)
        return run_limited(work, tasks, *args)

    monkeypatch.setattr(track_module, "run_limited", counted)
    again = track_videos(infos, cache)
    assert not tasks_run
    for info in infos:
        np.testing.assert_array_equal(again[info.path].landmarks, first[info.path].landmarks)

    path = infos[0].path
    np.savez(path.replace(".mp4", ".npz"), landmarks=landmarks_where([0] * 4 + [1] * 4))
    assert track_videos(infos, cache)[path].segments() == [(4, 8)]
    assert len(tasks_run) == 1


def test_videos_without_a_track_come_with_the_reason(clips):
    infos, cache = clips
    np.savez(infos[0].path.replace(".mp4", ".npz"), landmarks=np.full((8, 68, 2), np.nan))
    np.savez(infos[1].path.replace(".mp4", ".npz"), landmarks=np.zeros((99, 68, 2)))
    bad = VideoInfo("bad.mp4", error="empty file")
    tracks = track_videos([*infos, bad], cache)
    assert tracks[infos[0].path] == "no face found"
    assert tracks[infos[1].path].endswith("two.npz: annotation has 99 frames, the video 10")
    assert tracks["bad.mp4"] == "empty file"


def test_a_file_that_has_vanished_is_named(clips, tmp_path):
    infos, cache = clips
    (tmp_path / "one.mp4").unlink()
    tracks = track_videos(infos, cache)
    assert tracks[infos[0].path] == "file not found" and isinstance(tracks[infos[1].path], FaceTrack)


def test_without_annotation_and_detector_the_remedy_is_told(clips, tmp_path, monkeypatch):
    infos, cache = clips
    (tmp_path / "two.npz").unlink()
    monkeypatch.setattr(track_module, "has_dlib", lambda: False)
    with pytest.raises(FacesExtraError, match=r'two\.mp4: .*pip install "facedeblur\[faces\]"'):
        track_videos(infos, cache)


@needs_dlib
def test_detected_track_of_a_moving_portrait(tmp_path):
    from skimage.data import astronaut

    photo = np.pad(astronaut()[:320, 80:400], ((40, 40), (40, 40), (0, 0)), mode="edge")
    path = tmp_path / "portrait.mp4"
    pan = [photo[20:340, 70 - 3 * i : 390 - 3 * i] for i in range(15)]
    write_video(path, pan + [np.zeros((320, 320, 3), np.uint8)] * 5)
    faceless = tmp_path / "faceless.mp4"
    write_video(faceless, [np.full((64, 64, 3), 90, np.uint8)] * 4)

    infos = index_videos([path, faceless], tmp_path)
    tracks = track_videos(infos, tmp_path)
    assert tracks[str(faceless)] == "no face found"
    track = tracks[str(path)]
    assert track.cuts == (15,) and track.segments() == [(0, 15)]
    steps = np.diff(track.landmarks[:15].mean(axis=1), axis=0)
    np.testing.assert_allclose(steps.mean(axis=0), [3, 0], atol=0.15)
