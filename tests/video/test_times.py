"""Frame times of constant and variable rate, and the gaps that no window may span."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from facedeblur.video.index import index_videos
from facedeblur.video.times import gaps, is_even

from .conftest import moving_pattern


def write_at(path, ticks: list[int], per_second: int = 1000) -> None:
    """A file that shows its frames at these ticks."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, per_second)
        for tick, image in zip(ticks, moving_pattern(len(ticks), 48, 64), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, per_second)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_variable_frame_rate_is_told_frame_by_frame(tmp_path, suffix):
    ticks = [0, 40, 80, 120, 190, 230, 700, 740, 780, 820]
    write_at(tmp_path / f"vfr.{suffix}", ticks)
    (info,) = index_videos([tmp_path / f"vfr.{suffix}"], tmp_path / "cache")
    assert info.frames == 10 and info.gaps == (6,)
    np.testing.assert_allclose(info.frame_times() - info.frame_times()[0], np.array(ticks) / 1000, atol=2e-3)
    assert index_videos([tmp_path / f"vfr.{suffix}"], tmp_path / "cache") == [info]


def test_a_constant_frame_rate_needs_no_list(make_clip, tmp_path):
    (info,) = index_videos([make_clip(count=12)], tmp_path / "cache")
    assert info.times is None and info.gaps == ()
    np.testing.assert_allclose(info.frame_times(), np.arange(12) / 25)


def test_even_and_gaps():
    assert is_even(np.array([])) and is_even(np.array([3.0])) and gaps(np.array([3.0])) == ()
    assert is_even(np.array([0, 0.033, 0.067, 0.1])) and not is_even(np.array([0, 1, 2, 3.5]))
    assert gaps(np.array([0, 1, 2, 4.4, 5.4, 8, 9])) == (5,)
