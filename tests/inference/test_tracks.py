from __future__ import annotations

import numpy as np
import pytest

from facedeblur.inference.tracks import track_faces


class Scripted:
    """A follower whose answers are written down; it counts the frames it was shown."""

    def __init__(self, faces: list[dict[int, float]]) -> None:
        self.faces, self.shown = faces, 0

    def update(self, index, frame, cut=False):
        self.shown += 1
        return {track: np.full((68, 2), x, np.float32) for track, x in self.faces[index].items()}


def frames(count: int, cut: int | None = None):
    rng = np.random.default_rng(0)
    shots = [rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(2)]
    for i in range(count):
        frame = shots[cut is not None and i >= cut].copy()
        frame[0, 0] = i
        yield frame


def tracked(faces, reach=2, cut=None):
    return [
        {face.track: (float(face.landmarks.mean()), face.presence) for face in found}
        for _, found in track_faces(frames(len(faces), cut), Scripted(faces), reach)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
def test_every_frame_comes_out_once_in_order(count):
    out = [int(frame[0, 0, 0]) for frame, _ in track_faces(frames(count), Scripted([{}] * count), reach=3)]
    assert out == list(range(count))


def test_positions_are_weighted_means_of_neighbours():
    xs = [0.0, 0, 0, 9, 0, 0, 0]
    out = tracked([{0: x} for x in xs])
    weights = np.array([1, 2, 3, 2, 1]) / 3
    for i, face in enumerate(out):
        near = [(j, weights[j - i + 2]) for j in range(max(0, i - 2), min(7, i + 3))]
        assert face[0][0] == pytest.approx(sum(xs[j] * w for j, w in near) / sum(w for _, w in near), abs=1e-4)


def test_a_steady_walk_is_not_delayed():
    out = tracked([{0: float(i)} for i in range(12)])
    assert [face[0][0] for face in out[2:-2]] == pytest.approx(range(2, 10))


def test_trembling_is_halved_at_least():
    rng = np.random.default_rng(0)
    xs = rng.normal(0, 1, 200)
    out = np.array([face[0][0] for face in tracked([{0: x} for x in xs], reach=4)])
    assert out.std() < 0.5 * xs.std()


def test_tracks_fade_in_and_out_within_a_shot_only():
    faces = [{}, {}] + [{0: 1.0}] * 7 + [{}, {}]
    assert [round(face[0][1], 3) for face in tracked(faces) if face] == [0.333, 0.667, 1, 1, 1, 0.667, 0.333]
    assert all(face[0][1] == 1 for face in tracked([{0: 1.0}] * 6))  # the video begins and ends with the face


def test_nothing_is_mixed_across_a_cut():
    faces = [{0: 0.0}] * 5 + [{1: 9.0}] * 5
    out = tracked(faces, cut=5)
    assert [list(face.values()) for face in out] == [[(0.0, 1.0)]] * 5 + [[(9.0, 1.0)]] * 5


def test_no_more_than_reach_frames_ahead():
    follower = Scripted([{}] * 50)
    out = track_faces(frames(50), follower, reach=3)
    for i in range(10):
        next(out)
        assert follower.shown == i + 4
