from __future__ import annotations

import av
import numpy as np
import pytest

from facedeblur.video.write import write_video


def frames(count=5, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return [np.stack([(x * 3 + 5 * i) % 200, y * 4 % 200, 60 + 0 * x], -1).astype(np.uint8) for i in range(count)]


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        info = stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]), info


def smooth(count=5, height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return [np.stack([x + y + 10 * i, 2 * y + 40, 200 - x], -1).astype(np.uint8) for i in range(count)]


def test_frames_come_back_nearly_as_they_were(tmp_path):
    source = smooth(7)
    assert write_video(tmp_path / "clip.mp4", iter(source), fps=25.0, crf=10) == 7
    decoded, (codec, pixels, rate) = decode(tmp_path / "clip.mp4")
    assert decoded.shape == (7, 48, 64, 3)
    assert (codec, pixels, float(rate)) == ("h264", "yuv420p", 25.0)
    assert np.abs(decoded.astype(int) - np.stack(source)).mean() < 2.5


def test_decord_reads_the_file(tmp_path):
    decord = pytest.importorskip("decord", reason="decord is not installed")
    write_video(tmp_path / "clip.mp4", smooth(9))
    reader = decord.VideoReader(str(tmp_path / "clip.mp4"), num_threads=1)
    assert len(reader) == 9
    assert np.abs(reader[8].asnumpy().astype(int) - smooth(9)[8]).mean() < 4


def test_a_still_stays_still(tmp_path):
    write_video(tmp_path / "still.mp4", [smooth(1)[0]] * 10)
    decoded, _ = decode(tmp_path / "still.mp4")
    assert np.abs(np.diff(decoded.astype(int), axis=0)).mean() < 0.5


def test_same_frames_give_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames(12))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_lower_crf_is_closer(tmp_path):
    errors = []
    for crf in (5, 35):
        write_video(tmp_path / "clip.mp4", frames(), crf=crf)
        errors.append(np.abs(decode(tmp_path / "clip.mp4")[0].astype(int) - np.stack(frames())).mean())
    assert errors[0] < errors[1]


def test_odd_sides_repeat_their_last_row_and_column(tmp_path):
    source = smooth(3, height=47, width=63)
    write_video(tmp_path / "odd.mp4", source, crf=8)
    decoded, _ = decode(tmp_path / "odd.mp4")
    assert decoded.shape == (3, 48, 64, 3)
    assert np.abs(decoded[:, :47, :63].astype(int) - np.stack(source)).mean() < 3


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 12.5])
def test_frame_rates(tmp_path, fps):
    write_video(tmp_path / "clip.mp4", smooth(4), fps=fps)
    assert float(decode(tmp_path / "clip.mp4")[1][2]) == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "no frames"),
        ([np.zeros((8, 8, 3), np.float32)], "frame 0 must be RGB uint8"),
        ([np.zeros((8, 8), np.uint8)], "frame 0 must be RGB uint8"),
        ([np.zeros((16, 16, 3), np.uint8), np.zeros((16, 18, 3), np.uint8)], "frame 1 has shape"),
    ],
)
def test_bad_frames_are_named_and_leave_nothing_behind(tmp_path, bad, message):
    with pytest.raises(ValueError, match=rf"clip\.mp4: {message}"):
        write_video(tmp_path / "clip.mp4", bad)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_leaves_the_old_file(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, smooth(3))
    before = path.read_bytes()

    def failing():
        yield from smooth(2)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(path, failing())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
