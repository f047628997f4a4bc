"""A rewritten frame: new where it changed, and what was decoded everywhere else."""

from __future__ import annotations

import av
import numpy as np
import pytest

from facedeblur.video.recode import converted, recoded

HEIGHT, WIDTH = 64, 96


@pytest.fixture
def decoded():
    """A frame of coloured noise, which RGB and back would change everywhere."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    rng = np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(rng.integers(60, 180, plane.buffer_size, dtype=np.uint8).tobytes())
    frame.pict_type = 3  # a B frame, which an encoder would take for an order
    return frame


def planes(frame) -> list[np.ndarray]:
    whole = frame.to_ndarray(format=frame.format.name)
    chroma = whole[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    return [whole[:HEIGHT], *chroma]


def test_what_did_not_change_is_what_was_decoded(decoded):
    same = recoded(decoded, decoded.to_ndarray(format="rgb24"), decoded.colorspace, decoded.color_range)
    for kept, given in zip(planes(same), planes(decoded), strict=True):
        assert np.array_equal(kept, given)
    assert same.pict_type == 0 and same is not decoded


@pytest.mark.parametrize("top, left, side", [(0, 0, 9), (21, 33, 20), (HEIGHT - 7, WIDTH - 7, 7), (0, 0, HEIGHT)])
def test_what_changed_is_as_if_the_whole_picture_had_been_converted(decoded, top, left, side):
    matrix, spread = decoded.colorspace, decoded.color_range
    before = planes(decoded)
    picture = np.array(decoded.to_ndarray(format="rgb24"))
    picture[top : top + side, left : left + side] = (90, 140, 60)
    found = planes(recoded(decoded, picture, matrix, spread))
    whole = planes(converted(picture, "yuv420p", matrix, spread))
    for number, (got, wanted, given) in enumerate(zip(found, whole, before, strict=True)):
        half = 2 if number else 1
        rows, columns = (slice(start // half, -(-(start + side) // half)) for start in (top, left))
        assert np.abs(got[rows, columns].astype(int) - wanted[rows, columns]).max() <= 1
        far = np.ones(given.shape, bool)
        far[
            max(top - 6, 0) // half : (top + side + 7) // half + 1,
            max(left - 6, 0) // half : (left + side + 7) // half + 1,
        ] = False
        assert np.array_equal(got[far], given[far])
    assert all(np.array_equal(a, b) for a, b in zip(planes(decoded), before, strict=True)), (
        "the decoder needs its frames"
    )


def test_frames_of_another_form_are_left_to_a_whole_conversion(decoded):
    picture = np.array(decoded.to_ndarray(format="rgb24"))
    assert recoded(decoded.reformat(format="yuv444p"), picture, 2, 0) is None
    assert recoded(decoded, picture[:-2], decoded.colorspace, 0) is None
    assert recoded(decoded, picture, 1 if decoded.colorspace != 1 else 6, 0) is None
