"""A pass over some stretches of a video gives the very frames that a pass over all of it gives there."""

from __future__ import annotations

import numpy as np
import pytest

from facedeblur.video import open as open_module
from facedeblur.video import pyav_source
from facedeblur.video.open import open_source
from facedeblur.video.source import Span, VideoError

from ..array_source import ArraySource
from ..faults.files import encode
from .conftest import moving_pattern
from .test_backends import FORMATS

needs_decord = pytest.mark.skipif(not open_module.has_decord(), reason="decord has no wheel here")
BACKENDS = ["pyav", pytest.param("decord", marks=needs_decord)]
FRAMES = 150


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Key frames every 12 frames at most, and B frames between."""
    path = tmp_path_factory.mktemp("stretches") / "gop.mp4"
    return encode(path, moving_pattern(FRAMES, 48, 64), g="12", bf="2")


@pytest.fixture
def skipped(monkeypatch):
    """How many frames were passed over, by jumping or by decord; both pay from the first frame on."""
    count = []
    monkeypatch.setattr(pyav_source, "SEEK_COST", 3)
    if open_module.has_decord():
        import decord

        from facedeblur.video import decord_source

        class Counted(decord.VideoReader):
            def skip_frames(self, num=1):
                count.append(num)
                super().skip_frames(num)

        monkeypatch.setattr(decord_source, "SKIP_COST", 0)
        monkeypatch.setattr(decord, "VideoReader", Counted)
    return count


def random_spans(rng: np.random.Generator) -> list[Span]:
    """Stretches of 1 to 12 frames, next to one another or up to 40 frames apart."""
    spans, stop = [], 0
    while True:
        start = stop + int(rng.choice([0, rng.integers(8), rng.integers(40)]))
        stop = min(start + int(rng.integers(1, 13)), FRAMES)
        if start >= FRAMES:
            return spans
        spans.append((start, stop))


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_stretches_are_those_of_the_whole(clip, skipped, backend):
    with open_source(clip, backend) as source:
        whole = list(source.frames())
    assert len(whole) == FRAMES
    for seed in range(15):
        spans = random_spans(np.random.default_rng(seed))
        with open_source(clip, backend) as source:
            for _ in range(2):  # a source can be read again
                found = list(source.read_ranges(spans))
                assert [index for index, _ in found] == [i for start, stop in spans for i in range(start, stop)]
                assert all(np.array_equal(frame, whole[index]) for index, frame in found)
    assert sum(skipped) > 250 or backend != "decord"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gop.mkv", {"bf": "2"}),
        ("gop.mpg", {"codec": "mpeg1video", "bf": "2"}),
        ("gop.ts", {"bf": "2"}),
        ("gop.avi", {"codec": "mpeg4"}),
        ("gop.webm", {"codec": "libvpx"}),
    ],
)
def test_pyav_jumps_in_containers_that_say_where_frames_lie(tmp_path, monkeypatch, name, options):
    monkeypatch.setattr(pyav_source, "SEEK_COST", 3)
    path = encode(tmp_path / name, moving_pattern(FRAMES, 48, 64), g="12", **options)
    with open_source(path, "pyav") as source:
        whole = list(source.frames())
        for seed in range(4):
            for index, frame in source.read_ranges(random_spans(np.random.default_rng(seed))):
                assert np.array_equal(frame, whole[index]), f"frame {index}"
        assert source.is_jump_cheaper(0, FRAMES - 5) == (name in ("gop.mkv", "gop.webm"))


@needs_decord
@pytest.mark.parametrize("name", FORMATS)
def test_decord_passes_over_frames_of_every_format(tmp_path, skipped, name):
    FORMATS[name](tmp_path / name)
    with open_source(tmp_path / name, "decord") as source:
        try:
            whole = list(source.frames())
        except VideoError:
            return  # a file that the index gives to PyAV
        found = list(source.read_ranges([(1, 3), (9, 10), (15, 16), (19, 24)]))
    assert [index for index, _ in found] == [1, 2, 9, 15, 19, 20, 21, 22, 23]
    assert all(np.array_equal(frame, whole[index]) for index, frame in found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_stretches_end_where_the_video_does(clip, backend):
    spans = [(3, 5), (FRAMES - 2, FRAMES + 4), (FRAMES + 20, None)]
    with open_source(clip, backend) as source:
        assert [index for index, _ in source.read_ranges(spans)] == [3, 4, FRAMES - 2, FRAMES - 1]
        assert [index for index, _ in source.read_ranges([(3, 5), (FRAMES + 20, FRAMES + 30)])] == [3, 4]
        assert [index for index, _ in source.read_ranges([(3, 4), (FRAMES - 1, None)])] == [3, FRAMES - 1]


@needs_decord
def test_decord_is_led_from_key_frame_to_key_frame(clip, skipped):
    """It would seek where one lies on the way: no more are passed over at once than lie between two."""
    with open_source(clip, "decord") as source:
        list(source.read_ranges([(2, 3), (140, 141)]))
    assert 100 < sum(skipped) < 140 and max(skipped) <= 12


def test_a_source_that_cannot_skip_reads_on_and_one_that_can_jumps():
    frames = np.arange(30, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    asked = []

    class Recording(ArraySource):
        def frames(self, start=0, stop=None):
            asked.append((start, stop))
            return super().frames(start, stop)

    class Slow(Recording):
        def is_jump_cheaper(self, position, start):
            return False

    for kind, passes in ((Recording, [(2, 25), (20, 25)]), (Slow, [(2, 25)])):
        asked.clear()
        found = list(kind(frames).read_ranges([(2, 4), (4, 5), (20, 22), (22, 25)]))
        assert [(index, int(frame[0, 0, 0])) for index, frame in found] == [
            (i, i) for i in (2, 3, 4, 20, 21, 22, 23, 24)
        ]
        assert asked == passes
