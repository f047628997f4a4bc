"""Faces that leave, cross, or are not there, found by the real models in rendered people."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.faces.dlib_models import DlibDetector, DlibEmbedder, DlibLocalizer, has_dlib
from facedeblur.faces.track import track_people
from facedeblur.video.open import open_source

from ..array_source import ArraySource
from .files import noise

pytestmark = pytest.mark.skipif(not has_dlib(), reason="needs the extra faces")

WIDTH, HEIGHT, SIDE, FRAMES = 560, 240, 200, 46


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> list[np.ndarray]:
    """Two people's portraits, (200, 200, 3), that the embedder tells apart."""
    settings = DemoSettings(identities=2, val_identities=1, clips_per_identity=1, frames=8)
    root = render_demo(tmp_path_factory.mktemp("demo"), settings, jobs=1)
    portraits = []
    for path in sorted((root / "train").rglob("*.mp4")):
        with open_source(path) as source:
            portraits.append(cv2.resize(next(source.frames(0, 1)), (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    assert len(portraits) == 2
    return portraits


def found_in(frames):
    return track_people(ArraySource(frames), len(frames), DlibDetector(), DlibLocalizer(), DlibEmbedder)


def place(frame, portrait, x, y=20):
    """Draw a portrait with its left edge at column x, as much of it as is inside."""
    left, right = max(x, 0), min(x + SIDE, WIDTH)
    if left < right:
        frame[y : y + SIDE, left:right] = portrait[:, left - x : right - x]


def test_two_crossing_faces_keep_their_identities(people):
    """One walks to the right in front of the other, who walks to the left: nobody turns into the other on the way."""

    def right(i):
        return 8 * i

    def left(i):
        return WIDTH - SIDE - right(i)

    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8)
    for i in range(FRAMES):
        place(frames[i], people[1], left(i))
        place(frames[i], people[0], right(i))
    tracks, cuts = found_in(frames)
    assert cuts == () and len(tracks) == 2
    ways = []
    for track in tracks:
        numbers = np.flatnonzero(track.valid)
        x = track.landmarks[numbers].mean(axis=1)[:, 0]
        ways.append([bool(np.ptp(x - way(numbers)) < 15) for way in (right, left)])
        assert numbers.min() < 12 and numbers.max() >= FRAMES - 12 and len(numbers) > FRAMES / 3
    assert sorted(ways) == [[False, True], [True, False]]


def test_a_face_that_leaves_is_let_go(people):
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8)
    gone = next(i for i in range(FRAMES) if 100 + 11 * i >= WIDTH)
    for i in range(FRAMES):
        place(frames[i], people[0], 100 + 11 * i)
    tracks, _ = found_in(frames)
    (track,) = tracks
    numbers = np.flatnonzero(track.valid)
    assert numbers[0] == 0 and 5 < numbers[-1] < gone
    assert track.landmarks[numbers].mean(axis=1)[:, 0].max() < WIDTH


def test_where_there_is_no_face_none_is_found():
    assert found_in(np.stack(noise(12))) == ([], ())


def test_two_people_in_turns_are_two(people):
    """Shot and reverse shot: what one place shows before and after a cut is not one person."""
    frames = np.full((40, HEIGHT, WIDTH, 3), 90, np.uint8)
    for i in range(40):
        frames[i] = 90 if i < 25 else 30
        place(frames[i], people[0] if i < 25 else people[1], 120 + i % 3)
    tracks, cuts = found_in(frames)
    assert cuts == (25,) and [int(track.valid.sum()) for track in tracks] == [25, 15]
