"""All eight orientations of a display matrix, read and written."""

from __future__ import annotations

from itertools import product

import av
import numpy as np
import pytest

from facedeblur.video.orientation import Orientation, orientation_of
from facedeblur.video.outline import outline
from facedeblur.video.pyav_source import PyAVSource
from facedeblur.video.rewrite import rewrite_video

ALL = [Orientation(*flags) for flags in product((False, True), repeat=3)]
HEIGHT, WIDTH = 64, 96


def corners() -> np.ndarray:
    """A frame whose corners differ: no two orientations of it are alike."""
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for value, rows, columns in ((255, slice(0, 24), slice(0, 24)), (0, slice(0, 24), slice(-24, None)),
                                 (60, slice(-24, None), slice(0, 24))):  # fmt: skip
        frame[rows, columns] = value
    return frame


def shown_by_matrix(stored: np.ndarray, matrix: list[int]) -> np.ndarray:
    """What the display matrix says, pixel by pixel: (x, y) goes to (ax + cy, bx + dy), then all is moved into view."""
    a, b, _, c, d = (value // 65536 for value in matrix[:5])
    rows, columns = np.mgrid[: stored.shape[0], : stored.shape[1]]
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    shown = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    shown[y, x] = stored
    return shown


@pytest.mark.parametrize("orientation", ALL)
def test_upright_is_what_the_matrix_says_and_stored_its_inverse(orientation):
    frame = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    upright = orientation.upright(frame)
    assert np.array_equal(upright, shown_by_matrix(frame, orientation.matrix()))
    assert np.array_equal(orientation.stored(upright), frame)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("orientation", ALL)
def test_every_orientation_is_read_and_written(tmp_path, orientation, suffix):
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "1"})
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        video.set_display_matrix(orientation.matrix())
        for _ in range(2):
            container.mux(video.encode(av.VideoFrame.from_ndarray(corners(), format="rgb24")))
        container.mux(video.encode())
    expected = shown_by_matrix(corners(), orientation.matrix())
    seen = []

    def change(frames):
        for frame in frames:
            seen.append(frame)
            yield 255 - frame

    rewrite_video(source, target, change, crf=1)
    facts = outline(source)
    assert (facts.height, facts.width) == expected.shape[:2] == seen[0].shape[:2]
    assert np.abs(seen[0].astype(int) - expected).mean() < 3
    with PyAVSource(source) as read:
        assert np.array_equal(next(read.frames()), seen[0])
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
        assert orientation_of(frame) == orientation and (frame.height, frame.width) == (HEIGHT, WIDTH)
    with PyAVSource(target) as read:
        assert np.abs(next(read.frames()).astype(int) - (255 - expected)).mean() < 3
