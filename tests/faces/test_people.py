from __future__ import annotations

import numpy as np
import pytest

from facedeblur.faces.follow import Piece
from facedeblur.faces.people import join_people


def piece(make_face, start, count, who, x=50.0, radius=20.0, shot=0):
    image = np.full((8, 8, 3), who, np.uint8)
    points = np.stack([make_face(x, 60, radius)] * count)
    return Piece(start, points, np.ones(count, np.float32), shot, [(1.0, image, points[0])])


def who(people):
    return [[int(piece.samples[0][1][0, 0, 0]) for piece in person] for person in people]


def test_pieces_of_one_person_are_joined_across_shots(make_face, portraits):
    pieces = [
        piece(make_face, 0, 30, who=1, shot=0),
        piece(make_face, 30, 20, who=2, shot=1),  # the reverse shot: somebody else in the same place
        piece(make_face, 50, 40, who=1, x=200, shot=2),
    ]
    people = join_people(pieces, lambda: portraits)
    assert sorted(map(sorted, who(people))) == [[1, 1], [2]]


def test_the_largest_consistent_person_comes_first(make_face, portraits):
    pieces = [
        piece(make_face, 0, 10, who=1, radius=40),  # near for a moment
        piece(make_face, 0, 60, who=2, radius=25, x=300),
        piece(make_face, 70, 60, who=2, radius=25, x=300),
        piece(make_face, 10, 60, who=3, radius=20, x=200),
    ]
    assert who(join_people(pieces, lambda: portraits)) == [[2, 2], [3], [1]]


def test_nobody_is_in_two_places_at_once(make_face, portraits):
    pieces = [piece(make_face, 0, 30, who=1), piece(make_face, 20, 30, who=1, x=300)]
    assert len(join_people(pieces, lambda: portraits)) == 2


@pytest.mark.parametrize(
    ("start", "x", "shot", "people"), [(35, 55.0, 0, 1), (90, 55.0, 0, 2), (35, 300.0, 0, 2), (35, 55.0, 1, 2)]
)
def test_without_an_embedder_only_place_and_time_join(make_face, start, x, shot, people):
    pieces = [piece(make_face, 0, 30, who=1), piece(make_face, start, 30, who=1, x=x, shot=shot)]
    assert len(join_people(pieces, None)) == people


def test_a_single_piece_asks_nobody(make_face):
    def refuse():
        raise AssertionError("there is nothing to ask")

    assert len(join_people([piece(make_face, 0, 30, who=1)], refuse)) == 1
    assert join_people([], refuse) == []
