"""Tracks of many videos: annotated or detected, made once, and the reasons of those that have none."""

from __future__ import annotations

import re

import numpy as np
import pytest

from facedeblur.faces import tracking
from facedeblur.faces.dlib_models import REMEDY, FacesExtraError, has_dlib
from facedeblur.faces.track import FaceTrack, load_people
from facedeblur.faces.tracking import track_videos
from facedeblur.video.index import VideoInfo, index_videos
from facedeblur.video.write import write_video

needs_dlib = pytest.mark.skipif(not has_dlib(), reason="needs the extra faces")


def landmarks_where(valid) -> np.ndarray:
    landmarks = np.random.default_rng(0).uniform(0, 60, (len(valid), 68, 2)).astype(np.float32)
    landmarks[~np.array(valid, bool)] = np.nan
    return landmarks


def annotate(clip, array):
    np.savez(clip.with_suffix(".npz"), landmarks=array)


def only(file) -> FaceTrack:
    """The one person in a file of tracks."""
    (track,) = load_people(file)
    return track


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
    monkeypatch.setattr(tracking, "has_dlib", lambda: False)
    seen = []
    tracks = track_videos(infos, cache, progress=lambda *told: seen.append(told))
    one, two = (only(tracks[info.path]) for info in infos)
    np.testing.assert_array_equal(one.landmarks, landmarks_where([1] * 8))
    assert one.cuts == () and two.cuts == (5,)
    assert sorted(seen) == [(1, 2, seen[0][2]), (2, 2, seen[1][2])]


def test_tracks_are_cached_by_video_and_annotation(clips, monkeypatch):
    infos, cache = clips
    first = track_videos(infos, cache)

    run_limited, tasks_run = tracking.run_limited, []

    def counted(work, tasks, *args):
        tasks_run.extend(tasks)
        return run_limited(work, tasks, *args)

    monkeypatch.setattr(tracking, "run_limited", counted)
    again = track_videos(infos, cache)
    assert not tasks_run
    for info in infos:
        assert again[info.path] == first[info.path] and only(again[info.path]).valid.all()

    path = infos[0].path
    np.savez(path.replace(".mp4", ".npz"), landmarks=landmarks_where([0] * 4 + [1] * 4))
    assert only(track_videos(infos, cache)[path]).segments() == [(4, 8)]
    assert len(tasks_run) == 1


def test_videos_without_a_track_come_with_the_reason(clips):
    infos, cache = clips
    np.savez(infos[0].path.replace(".mp4", ".npz"), landmarks=np.full((8, 68, 2), np.nan))
    np.savez(infos[1].path.replace(".mp4", ".npz"), landmarks=np.zeros((99, 68, 2)))
    bad = VideoInfo("bad.mp4", error="empty file")
    tracks = track_videos([*infos, bad], cache)
    assert load_people(tracks[infos[0].path]) == []
    assert tracks[infos[1].path].endswith("two.npz: annotation has 99 frames, the video 10")
    assert tracks["bad.mp4"] == "empty file"


def test_a_file_that_has_vanished_is_named(clips, tmp_path):
    infos, cache = clips
    (tmp_path / "one.mp4").unlink()
    tracks = track_videos(infos, cache)
    assert tracks[infos[0].path] == "file not found" and tracks[infos[1].path].is_file()


def test_without_annotation_and_detector_the_remedy_is_told(clips, tmp_path, monkeypatch):
    infos, cache = clips
    (tmp_path / "two.npz").unlink()
    monkeypatch.setattr(tracking, "has_dlib", lambda: False)
    with pytest.raises(FacesExtraError, match=r"two\.mp4: .*" + re.escape(REMEDY)):
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
    assert load_people(tracks[str(faceless)]) == []
    track = only(tracks[str(path)])
    assert np.nanmin(track.sharpness) > 0
    assert track.cuts == (15,) and track.segments() == [(0, 15)]
    steps = np.diff(track.landmarks[:15].mean(axis=1), axis=0)
    np.testing.assert_allclose(steps.mean(axis=0), [3, 0], atol=0.15)
