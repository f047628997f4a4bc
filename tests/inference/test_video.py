"""Videos through the deblurrer, and the memory they take."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from facedeblur.faces.crop import crop_box
from facedeblur.inference.deblur import DeblurOptions
from facedeblur.inference.video import VideoDeblurrer

ALWAYS = DeblurOptions(always=True)


@pytest.fixture
def walk(picture):
    """walk(count): a face of radius 24 that walks to the right over a ground that stands still."""

    def make(count: int = 20):
        return [picture(100, 200, [(40 + 2 * i, 50, 24)]) for i in range(count)]

    return make


def test_every_frame_comes_back_with_its_face_changed_alone(walk, unsharp, finder):
    frames = walk()
    change = VideoDeblurrer(unsharp, 64, finder, ALWAYS)
    done = list(change(iter(frames)))
    assert len(done) == 20 and all(
        np.array_equal(before, frame) for (before, _), frame in zip(done, frames, strict=True)
    )
    for before, after in done:
        x, y, side = crop_box(finder.find(before)[0])
        outside = np.ones(before.shape[:2], bool)
        outside[max(y - 4, 0) : y + side + 4, max(x - 4, 0) : x + side + 4] = False  # tracks are smoothed
        assert np.array_equal(before[outside], after[outside]) and not np.array_equal(before, after)
    counts = change.counts
    assert (counts.frames, counts.with_face, counts.faces, counts.sharp) == (20, 20, 1, 0)
    assert [shape[0] for shape in unsharp.seen] == [8, 8, 4]


def test_two_faces_of_several_frames_share_batches(picture, unsharp, finder):
    frames = [picture(100, 200, [(40, 50, 24), (140, 50, 30)]) for _ in range(6)]
    change = VideoDeblurrer(unsharp, 64, finder, DeblurOptions(always=True, batch=4))
    assert len(list(change(iter(frames)))) == 6
    assert [shape[0] for shape in unsharp.seen] == [4, 4, 4] and change.counts.faces == 2
    change = VideoDeblurrer(unsharp, 64, finder, DeblurOptions("largest", always=True))
    done = list(change(iter(frames)))
    assert change.counts.faces == 1 and all(np.array_equal(a[:, :85], b[:, :85]) for a, b in done)


def test_frames_without_a_face_are_copied(picture, unsharp, finder):
    frames = [picture(60, 80, [])] * 7
    change = VideoDeblurrer(unsharp, 64, finder, ALWAYS)
    assert all(np.array_equal(before, after) for before, after in change(iter(frames)))
    assert not unsharp.seen and change.counts.faces == 0


def test_a_sharp_face_is_left_alone_and_a_blurred_one_is_not(picture, unsharp, finder):
    rng = np.random.default_rng(0)
    sharp = picture(200, 200, [(100, 100, 60)])
    sharp = np.clip(sharp + rng.integers(-40, 40, sharp.shape), 0, 255).astype(np.uint8)
    change = VideoDeblurrer(unsharp, 128, finder)
    done = list(change(iter([sharp] * 10)))
    assert all(np.array_equal(before, after) for before, after in done) and change.counts.sharp == 10
    done = list(VideoDeblurrer(unsharp, 128, finder)(iter([cv2.blur(sharp, (9, 1))] * 10)))
    assert not any(np.array_equal(before, after) for before, after in done)


def test_deblurring_sets_in_gradually_where_a_face_becomes_blurred(picture, unsharp, finder):
    rng = np.random.default_rng(0)
    sharp = picture(200, 200, [(100, 100, 60)])
    sharp = np.clip(sharp + rng.integers(-40, 40, sharp.shape), 0, 255).astype(np.uint8)
    frames = [sharp] * 8 + [cv2.blur(sharp, (9, 1))] * 12
    amounts = [np.abs(a.astype(int) - b).mean() for a, b in VideoDeblurrer(unsharp, 128, finder)(iter(frames))]
    assert (
        max(amounts[:8]) == 0
        and 0.3 * amounts[-1] < amounts[8] < 0.8 * amounts[-1]
        and amounts[8:] == sorted(amounts[8:])
    )


def test_aligned_frames_go_through_whole(picture, unsharp):
    frames = [picture(64, 64, [(32, 32, 20)], seed=i) for i in range(5)]
    done = list(VideoDeblurrer(unsharp, 64, None, DeblurOptions(aligned=True, batch=2))(iter(frames)))
    assert all(not np.array_equal(before, after) for before, after in done)


def test_memory_does_not_grow_with_the_length_of_a_video(walk, unsharp, finder):
    """Peak of what Python and NumPy allocate after 60 frames and over 400: some 50 to 61, as the stages overlap."""
    frames = walk(40)
    endless = (frames[i % 80 if i % 80 < 40 else 79 - i % 80].copy() for i in range(400))
    peaks = []
    tracemalloc.start()
    try:
        for number, _ in enumerate(VideoDeblurrer(unsharp, 32, finder, ALWAYS)(endless)):
            unsharp.seen.clear()
            if number in (60, 399):
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    frame = frames[0].nbytes
    assert max(peaks) < 100 * frame
