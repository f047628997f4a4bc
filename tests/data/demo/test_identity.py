from __future__ import annotations

import json

import numpy as np

from facedeblur.data.demo.identity import GLASSES, SHAPE_RANGES, draw_identities, shape_landmarks
from facedeblur.data.demo.portrait import LANDMARKS

NEUTRAL = {key: 1.0 if low > 0.5 else 0.0 for key, (low, _) in SHAPE_RANGES.items()}


def test_first_people_do_not_depend_on_how_many_follow():
    assert draw_identities(4, seed=3) == draw_identities(9, seed=3)[:4]
    assert draw_identities(4, seed=3) != draw_identities(4, seed=4)


def test_people_differ_in_every_trait():
    people = draw_identities(24, seed=0)
    assert len({person.name for person in people}) == 24
    assert len({person.skin for person in people}) >= 4
    assert len({person.hair for person in people}) >= 4
    assert {person.glasses for person in people} == set(GLASSES)
    for key, (low, high) in SHAPE_RANGES.items():
        values = [person.shape[key] for person in people]
        assert low <= min(values) < low + 0.35 * (high - low), key
        assert high - 0.35 * (high - low) < max(values) <= high, key


def test_attributes_survive_json():
    person = draw_identities(1, seed=0)[0]
    attributes = json.loads(json.dumps(person.attributes()))
    assert attributes["shape"] == person.shape
    assert tuple(attributes["skin"]) == person.skin


def test_neutral_shape_is_the_portrait():
    np.testing.assert_allclose(shape_landmarks(NEUTRAL), LANDMARKS, atol=1e-4)


def test_each_shape_trait_moves_its_part():
    def moved(**change: float) -> set[int]:
        distance = np.linalg.norm(shape_landmarks({**NEUTRAL, **change}) - LANDMARKS, axis=1)
        return set(np.flatnonzero(distance > 0.25).tolist())

    assert moved(eye_size=1.15) <= set(range(36, 48)) != set()
    assert {31, 32, 34, 35} <= moved(nose_width=1.3) <= set(range(31, 36))
    assert {48, 54} <= moved(mouth_width=1.1) <= set(range(48, 68))
    assert 8 in moved(chin=4.0) <= set(range(17))
    assert set(range(17, 27)) == moved(brow_height=-2.0)
    wide = shape_landmarks({**NEUTRAL, "face_width": 1.1})
    np.testing.assert_allclose(np.ptp(wide[:17, 0]), 1.1 * np.ptp(LANDMARKS[:17, 0]), rtol=1e-5)
