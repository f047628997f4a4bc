from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.follow import CHECK_EVERY, PATIENCE, FaceFollower, iou


def follow(scene, count, cuts=()):
    follower = FaceFollower(count, scene, scene)
    for i in range(count):
        follower.update(i, np.full((2, 2, 3), i, np.uint8), i in cuts)
    return follower.finish()


def centres(landmarks):
    return landmarks.mean(axis=1)


def valid(landmarks):
    return np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2))).tolist()


def test_a_moving_face_is_followed_and_seldom_searched(scene):
    scene.faces = {i: [(50 + 3 * i, 60, 20)] for i in range(45)}
    landmarks = follow(scene, 45)
    np.testing.assert_allclose(centres(landmarks), [(50 + 3 * i, 60) for i in range(45)], atol=1e-3)
    assert scene.asked == [0, 10, 20, 30, 40]


def test_the_largest_face_is_taken_and_kept(scene):
    for i in range(30):
        scene.faces[i] = [(40, 40, 12), (150, 60, 20 + 0 * i)]
        if i > 12:
            scene.faces[i].append((300, 60, 60))  # larger, but comes later
    np.testing.assert_allclose(centres(follow(scene, 30))[:, 0], 150, atol=1e-3)


def test_a_face_that_comes_late_is_found(scene):
    scene.faces = {i: [(50, 60, 20)] for i in range(12, 40)}
    assert valid(follow(scene, 40)) == list(range(15, 40))  # searched every five frames


def test_a_jump_ends_the_track_and_leaves_a_gap(scene):
    scene.faces = {i: [(50 if i < 18 else 200, 60, 20)] for i in range(40)}
    landmarks = follow(scene, 40)
    frames = valid(landmarks)
    assert 18 not in frames and frames[0] == 0 and frames[-1] == 39 and len(frames) == 39
    np.testing.assert_allclose(centres(landmarks)[19:, 0], 200, atol=1e-3)


def test_at_a_cut_the_new_face_counts_from_its_first_frame(scene):
    scene.faces = {i: [(50 if i < 18 else 200, 60, 20)] for i in range(40)}
    landmarks = follow(scene, 40, cuts=(18,))
    assert valid(landmarks) == list(range(40))
    np.testing.assert_allclose(centres(landmarks)[18], (200, 60), atol=1e-3)
    assert 18 in scene.asked


def test_a_short_turn_of_the_head_is_bridged(scene):
    scene.faces = {i: [(50, 60, 20)] for i in range(60)}
    scene.hidden = set(range(15, 35))
    assert valid(follow(scene, 60)) == list(range(60))


def test_what_no_detection_confirms_again_is_taken_back(scene):
    gone = 25
    scene.faces = {i: [(50, 60, 20)] for i in range(gone)}
    count = gone + (PATIENCE + 2) * CHECK_EVERY
    assert valid(follow(scene, count)) == list(range(21))  # last seen by the detector in frame 20


def test_a_false_detection_leaves_no_track(scene):
    scene.faces = {0: [(50, 60, 20)]}
    assert valid(follow(scene, 50)) == []


def test_the_former_face_is_preferred_after_a_loss(scene):
    for i in range(60):
        scene.faces[i] = [(50, 60, 20)]
        if i > 5:
            scene.faces[i].append((250, 60, 40))
    scene.faces[30] = [(90, 60, 20)]  # a jump there and back
    landmarks = follow(scene, 60)
    assert len(valid(landmarks)) >= 57
    np.testing.assert_allclose(centres(landmarks)[-1], (50, 60), atol=1e-3)


def test_no_face_at_all(scene):
    assert valid(follow(scene, 30)) == []
    assert scene.asked == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [((0, 0, 2, 2), (0, 0, 2, 2), 1), ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3), ((0, 0, 1, 1), (5, 5, 6, 6), 0)],
)
def test_iou(a, b, expected):
    assert iou(a, b) == pytest.approx(expected) == iou(b, a)


def test_landmark_box_moves_and_grows_with_the_face(make_face):
    box = np.array(landmark_box(make_face(100, 80, 20)))
    assert box[2] - box[0] == pytest.approx(2.8 * 20, rel=1e-3) == box[3] - box[1]
    np.testing.assert_allclose(landmark_box(make_face(107, 85, 20)), box + (7, 5, 7, 5), atol=1e-3)
    np.testing.assert_allclose(landmark_box(2 * make_face(100, 80, 20)), 2 * box, atol=1e-3)
