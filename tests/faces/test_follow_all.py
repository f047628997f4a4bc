from __future__ import annotations

import numpy as np

from facedeblur.faces.follow_all import CHECK_EVERY, PATIENCE, SEARCH_EVERY, FacesFollower


def follow(scene, frames: int, cuts=(), largest=False) -> list[dict[int, np.ndarray]]:
    follower = FacesFollower(scene, scene, largest)
    return [follower.update(i, np.full((4, 4, 3), i, np.uint8), i in cuts) for i in range(frames)]


def centre(points: np.ndarray) -> tuple[float, float]:
    return tuple(np.round(points.mean(axis=0), 2).tolist())


def test_two_faces_are_followed_under_their_numbers(scene):
    scene.faces = {i: [(50 + i, 50, 20), (200 - i, 80, 30)] for i in range(30)}
    seen = follow(scene, 30)
    numbers = {number for faces in seen for number in faces}
    assert numbers == {0, 1} and all(len(faces) == 2 for faces in seen)
    for i, faces in enumerate(seen):
        assert sorted(map(centre, faces.values())) == sorted([(50 + i, 50), (200 - i, 80)])
    assert scene.asked == list(range(0, 30, CHECK_EVERY))


def test_the_largest_alone(scene):
    scene.faces = {i: [(50, 50, 20), (200, 80, 30)] for i in range(12)}
    assert all([centre(p) for p in faces.values()] == [(200, 80)] for faces in follow(scene, 12, largest=True))


def test_a_face_that_comes_later_is_found_at_the_next_search(scene):
    scene.faces = {i: [(50, 50, 20)] + ([(200, 80, 30)] if i >= 7 else []) for i in range(20)}
    assert [len(faces) for faces in follow(scene, 20)] == [1] * 10 + [2] * 10


def test_a_face_nobody_confirms_is_dropped(scene):
    scene.faces = {i: [(50, 50, 20)] for i in range(60)}
    scene.hidden = set(range(6, 60))
    seen = follow(scene, 60)
    assert all(seen[: CHECK_EVERY * (PATIENCE + 1)]) and not any(seen[CHECK_EVERY * (PATIENCE + 1) :])


def test_where_there_is_no_face_it_is_asked_more_often(scene):
    assert not any(follow(scene, 12)) and scene.asked == list(range(0, 12, SEARCH_EVERY))


def test_a_jump_ends_the_track_and_a_new_one_begins(scene):
    scene.faces = {i: [(50 if i < 7 else 220, 50, 20)] for i in range(20)}
    seen = follow(scene, 20)
    assert [list(faces) for faces in seen] == [[0]] * 7 + [[1]] * 13


def test_a_cut_ends_all_tracks(scene):
    scene.faces = {i: [(50, 50, 20)] for i in range(12)}
    assert [list(faces) for faces in follow(scene, 12, cuts=(8,))] == [[0]] * 8 + [[1]] * 4


def test_tracks_that_slip_onto_one_face_become_one(scene):
    scene.faces = {i: [(50, 50, 20), (80, 50, 20)] for i in range(6)} | {i: [(60, 50, 20)] for i in range(6, 20)}
    assert [len(faces) for faces in follow(scene, 20)][-10:] == [1] * 10
