from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.dlib_models import landmark_box
from facedeblur.faces.follow import CHECK_EVERY, PATIENCE, SMALLEST, FaceFollower, iou


def follow(scene, count, cuts=()):
    follower = FaceFollower(scene, scene)
    for i in range(count):
        follower.update(i, np.full((2, 2, 3), i, np.uint8), i in cuts)
    return follower.finish()


def spans(pieces):
    return [(piece.start, piece.stop) for piece in pieces]


def centres(piece):
    return piece.landmarks.mean(axis=1)


def test_a_moving_face_is_followed_and_seldom_searched(scene):
    scene.faces = {i: [(50 + 3 * i, 60, 20)] for i in range(45)}
    (piece,) = follow(scene, 45)
    np.testing.assert_allclose(centres(piece), [(50 + 3 * i, 60) for i in range(45)], atol=1e-3)
    assert scene.asked == [0, 10, 20, 30, 40]
    assert piece.sharpness.shape == (45,) and len(piece.samples) == 3


def test_all_faces_are_followed_and_each_stays_itself(scene):
    for i in range(40):
        scene.faces[i] = [(40 + 2 * i, 40, 20), (200 - i, 60, 25)]
        if i > 12:
            scene.faces[i].append((400, 60, 60))  # comes later
    left, right, late = sorted(follow(scene, 40), key=lambda piece: centres(piece)[0, 0])
    np.testing.assert_allclose(centres(left), [(40 + 2 * i, 40) for i in range(40)], atol=1e-3)
    np.testing.assert_allclose(centres(right), [(200 - i, 60) for i in range(40)], atol=1e-3)
    assert spans([left, right, late]) == [(0, 40), (0, 40), (20, 40)]


def test_the_smallest_faces_are_left_alone(scene):
    scene.faces = {i: [(40, 40, SMALLEST / 2 - 1), (200, 60, 20)] for i in range(20)}
    (piece,) = follow(scene, 20)
    np.testing.assert_allclose(centres(piece)[:, 0], 200, atol=1e-3)


def test_a_face_that_comes_late_is_found(scene):
    scene.faces = {i: [(50, 60, 20)] for i in range(12, 40)}
    assert spans(follow(scene, 40)) == [(15, 40)]  # searched every five frames


def test_a_jump_ends_the_piece_and_leaves_a_gap(scene):
    scene.faces = {i: [(50 if i < 18 else 200, 60, 20)] for i in range(40)}
    pieces = follow(scene, 40)
    assert spans(pieces) == [(0, 18), (19, 40)]
    np.testing.assert_allclose(centres(pieces[1])[:, 0], 200, atol=1e-3)


def test_at_a_cut_the_new_face_counts_from_its_first_frame(scene):
    scene.faces = {i: [(50 if i < 18 else 200, 60, 20)] for i in range(40)}
    pieces = follow(scene, 40, cuts=(18,))
    assert spans(pieces) == [(0, 18), (18, 40)] and [piece.shot for piece in pieces] == [0, 1]
    np.testing.assert_allclose(centres(pieces[1])[0], (200, 60), atol=1e-3)
    assert 18 in scene.asked


def test_a_short_turn_of_the_head_is_bridged(scene):
    scene.faces = {i: [(50, 60, 20)] for i in range(60)}
    scene.hidden = set(range(15, 35))
    assert spans(follow(scene, 60)) == [(0, 60)]


def test_what_no_detection_confirms_again_is_taken_back(scene):
    gone = 25
    scene.faces = {i: [(50, 60, 20)] for i in range(gone)}
    count = gone + (PATIENCE + 2) * CHECK_EVERY
    assert spans(follow(scene, count)) == [(0, 21)]  # last seen by the detector in frame 20


def test_a_false_detection_leaves_no_track(scene):
    scene.faces = {0: [(50, 60, 20)]}
    assert follow(scene, 50) == []


@pytest.mark.parametrize("speed", [1, 4, 8])
def test_where_two_faces_cross_no_piece_goes_over(scene, speed):
    frames = 240 // speed

    def left(i):
        return 40 + speed * i

    def right(i):
        return 280 - speed * i

    for i in range(frames):
        hidden = abs(left(i) - right(i)) < 30  # only the face in front is to be seen
        scene.faces[i] = [(left(i), 60, 20)] if hidden else [(left(i), 60, 20), (right(i), 62, 20)]
    pieces = follow(scene, frames)
    followed = set()
    for piece in pieces:
        x, numbers = centres(piece)[:, 0], np.arange(piece.start, piece.stop)
        ways = [np.allclose(x, way(numbers), atol=1e-3) for way in (left, right)]
        assert any(ways), "a piece of two faces"
        followed |= {(ways.index(True), i) for i in numbers.tolist()}
    assert len(followed) > 2 * frames - 45


def test_no_face_at_all(scene):
    assert follow(scene, 30) == []
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
