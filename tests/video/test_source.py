from __future__ import annotations

import pickle

import av
import cv2
import numpy as np
import pytest

from facedeblur.video import open as open_module
from facedeblur.video.codecs import backends
from facedeblur.video.image_folder import ImageFolderSource
from facedeblur.video.open import open_source
from facedeblur.video.source import VideoError

from ..array_source import ArraySource
from .conftest import moving_pattern

needs_decord = pytest.mark.skipif(not open_module.has_decord(), reason="decord has no wheel here")
BACKENDS = ["pyav", pytest.param("decord", marks=needs_decord)]


def brute_force(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_are_those_of_the_file(make_clip, backend):
    path = make_clip(count=30, height=50, width=66)
    with open_source(path, backend) as source:
        assert (source.width, source.height, source.fps) == (66, 50, 25.0)
        frames = list(source.frames())
    np.testing.assert_array_equal(frames, brute_force(path))
    assert frames[0].dtype == np.uint8 and frames[0].flags.owndata and frames[0].flags.writeable


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (1, 2), (7, 31), (39, None), (0, 40), (38, 99), (40, None), (5, 5), (9, 3)]
)
def test_a_pass_may_start_and_stop_anywhere(make_clip, backend, start, stop):
    path = make_clip(count=40)
    source = open_source(path, backend)
    expected = brute_force(path)[start:stop]
    for _ in range(2):  # a source can be read again
        frames = list(source.frames(start, stop))
        assert len(frames) == len(expected)
        if frames:
            np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_odd_sizes(tmp_path, backend):
    path = tmp_path / "odd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 65, 49, "yuv444p"
        for level in (10, 200):
            image = np.full((49, 65, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    frames = list(open_source(path, backend).frames())
    assert [frame.shape for frame in frames] == [(49, 65, 3)] * 2
    np.testing.assert_allclose([frame.mean() for frame in frames], [10, 200], atol=3)


@pytest.fixture
def live_readers(monkeypatch):
    """How many decord readers exist, at any time."""
    import decord

    live = []

    class Counted(decord.VideoReader):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            live.append(self._handle)

        def __del__(self):
            live.remove(self._handle)
            super().__del__()

    monkeypatch.setattr(decord, "VideoReader", Counted)
    return live


@needs_decord
def test_decord_readers_are_freed_at_once(make_clip, live_readers):
    path = make_clip(count=12)
    source = open_source(path, "decord")
    assert len(live_readers) == 1

    list(source.frames())
    assert not live_readers, "a drained reader stays open"

    frames = source.frames(2, 4)
    next(frames)
    assert len(live_readers) == 1
    next(frames)
    assert not live_readers, "the last frame is out and its reader still decodes ahead"

    for _ in source.frames():
        break
    assert not live_readers, "an abandoned pass keeps its reader"

    frames = source.frames()
    next(frames)
    source.close()
    assert not live_readers and list(frames) == []

    with open_source(path, "decord"):
        assert len(live_readers) == 1
    assert not live_readers, "a source that was never read keeps its reader"


@needs_decord
def test_auto_prefers_decord_and_spares_the_memory(make_clip, monkeypatch):
    path = make_clip()
    assert open_source(path).backend == "decord"
    monkeypatch.setattr(open_module, "DECORD_MAX_BYTES", 40 * 48 * 64 * 3 - 1)
    assert open_source(path).backend == "pyav"


def cut_by_edit_list(path, target, seconds: float) -> None:
    """Copy a file so that its first seconds are kept in it but not to be shown."""
    with av.open(str(path)) as whole, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                shift = round(seconds / packet.time_base)
                packet.stream, packet.pts, packet.dts = stream, packet.pts - shift, packet.dts - shift
                container.mux(packet)


@needs_decord
def test_a_file_that_decord_reads_wrongly_goes_to_pyav(make_clip, tmp_path):
    path = tmp_path / "edited.mp4"
    cut_by_edit_list(make_clip(count=30), path, seconds=0.4)
    assert brute_force(path).shape[0] == 20
    with pytest.raises(VideoError, match="cannot be decoded"):  # decord makes up the rest by repeating a frame
        list(open_source(path, "decord").frames())
    source = open_source(path)
    assert source.backend == "pyav" and len(list(source.frames())) == 20


@needs_decord
@pytest.mark.parametrize("wrong", ["first_frame", "declared_frames"])
def test_auto_compares_first_frame_and_count(make_clip, monkeypatch, wrong):
    from facedeblur.video import decord_source

    class Wrong(decord_source.DecordSource):
        def __init__(self, path):
            super().__init__(path)
            if wrong == "declared_frames":
                self.declared_frames += 1

        def first_frame(self):
            return super().first_frame() + (wrong == "first_frame")

    monkeypatch.setattr(decord_source, "DecordSource", Wrong)
    assert open_source(make_clip()).backend == "pyav"


def test_auto_without_decord(make_clip, monkeypatch):
    monkeypatch.setattr(open_module, "has_decord", lambda: False)
    assert open_source(make_clip()).backend == "pyav"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("empty", "empty file"), ("text", "not a video"), ("audio", "no video stream"), ("missing", "file not found")],
)
@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_what_is_no_video_is_named_with_the_reason(make_damaged, kind, reason, backend):
    path = make_damaged(kind)
    with pytest.raises(VideoError) as caught:
        open_source(path, backend)
    assert str(caught.value).startswith(f"{path}: {reason}") and "\n" not in str(caught.value)


@needs_decord
@pytest.mark.parametrize("kind", ["empty", "text", "audio", "missing"])
def test_decord_errors_are_video_errors(make_damaged, kind):
    with pytest.raises(VideoError, match=kind):
        open_source(make_damaged(kind), "decord")


def test_damage_in_the_middle_is_an_error_naming_the_frame(make_damaged):
    frames = open_source(make_damaged("half"), "pyav").frames()
    with pytest.raises(VideoError, match=r"frame \d+ cannot be decoded"):
        list(frames)


def test_bad_arguments(make_clip):
    path = make_clip()
    with pytest.raises(ValueError, match="backend: .* got 'ffmpeg'"):
        open_source(path, "ffmpeg")
    with pytest.raises(ValueError, match="start: .* got -1"):
        open_source(path).frames(-1)


def test_video_error_survives_a_process_border():
    error = pickle.loads(pickle.dumps(VideoError("a.mp4", "empty file")))
    assert (str(error), error.path, error.reason) == ("a.mp4: empty file", "a.mp4", "empty file")


def test_array_source_hands_out_copies():
    frames = np.arange(4 * 2 * 3 * 3, dtype=np.uint8).reshape(4, 2, 3, 3)
    source = ArraySource(frames, fps=30)
    assert (source.width, source.height, source.fps) == (3, 2, 30)
    got = list(source.frames(1, 3))
    np.testing.assert_array_equal(got, frames[1:3])
    got[0][:] = 0
    np.testing.assert_array_equal(next(source.frames(1)), frames[1])
    with pytest.raises(ValueError, match="frames: at least one"):
        ArraySource([])


def test_folder_of_images(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    for i, image in enumerate(images):
        cv2.imwrite(str(tmp_path / f"{i:03}.png"), image[:, :, ::-1])
    (tmp_path / "notes.txt").write_text("not an image")
    source = open_source(tmp_path)
    assert isinstance(source, ImageFolderSource) and (source.width, source.height) == (8, 6)
    np.testing.assert_array_equal(list(source.frames(1, 4)), images[1:4])

    cv2.imwrite(str(tmp_path / "005.png"), images[0][:3])
    with pytest.raises(VideoError, match="005.png: size 8x3, expected 8x6"):
        list(source.frames()), list(open_source(tmp_path).frames())
    (tmp_path / "005.png").write_bytes(b"no")
    with pytest.raises(VideoError, match="005.png: cannot be decoded"):
        list(open_source(tmp_path).frames())


def test_folder_without_images(tmp_path):
    with pytest.raises(VideoError, match="no images"):
        open_source(tmp_path)


def test_backends_are_reported(monkeypatch):
    found = backends()
    assert found["pyav"].startswith(av.__version__) and found["h264 encoder"] == "libx264"
    monkeypatch.setitem(__import__("sys").modules, "decord", None)
    assert backends()["decord"].startswith("missing: ")


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_turned_upright_as_the_metadata_asks(make_clip, tmp_path, backend, degrees):
    plain, turned = make_clip(count=3, height=64, width=96), tmp_path / "turned.mp4"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    expected = np.rot90(brute_force(plain), degrees // 90, axes=(1, 2))
    with open_source(turned, backend) as source:
        assert (source.height, source.width) == expected.shape[1:3]
        np.testing.assert_array_equal(list(source.frames()), expected)


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile clip.mp4\n", "v=0\nm=video 9 RTP/AVP 96\n"])
def test_a_list_of_other_files_is_not_read(make_clip, tmp_path, text):
    make_clip()
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(VideoError, match="not a video"):
        open_source(tmp_path / "list.mp4")


def test_pyav_seeks_to_the_very_frame(tmp_path, monkeypatch):
    """Key frames every 12 frames and B frames between: a later start gives what a whole pass gives there."""
    from facedeblur.video import pyav_source

    path = tmp_path / "gop.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "12", "bf": "2", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in moving_pattern(90, 48, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    monkeypatch.setattr(pyav_source, "SEEK_COST", 5)
    with open_source(path, "pyav") as source:
        whole = list(source.frames())
        assert len(whole) == 90
        for start in (6, 11, 12, 13, 35, 47, 48, 71, 89):
            found = list(source.frames(start, start + 3))
            assert len(found) == min(3, 90 - start)
            assert all(np.array_equal(a, b) for a, b in zip(found, whole[start:], strict=False))
        assert source.is_jump_cheaper(30, 50) and not source.is_jump_cheaper(45, 50)
