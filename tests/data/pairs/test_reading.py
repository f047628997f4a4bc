from __future__ import annotations

import cv2
import numpy as np
import pytest

from facedeblur.blur.response import Response
from facedeblur.data.pairs.reading import Cut, read_cuts
from facedeblur.data.pairs.resample import resample
from facedeblur.faces.crop import CropBox
from facedeblur.video.source import VideoError

from ...array_source import ArraySource


def brute_force(frames: np.ndarray, cut: Cut, size: int, exponent: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Blurry and sharp, not rounded, from all frames, padded far beyond any box, without any code of the package."""
    pad, (x, y, side) = 200, cut.box
    padded = np.pad(frames, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge").astype(np.float64)
    crops = padded[cut.start : cut.start + cut.length, pad + y : pad + y + side, pad + x : pad + x + side]
    mean = 255 * np.mean((crops / 255) ** exponent, axis=0) ** (1 / exponent)
    method = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    images = [image.astype(np.float32) for image in (mean, crops[cut.length // 2])]
    if size != side:
        images = [cv2.resize(image, (size, size), interpolation=method) for image in images]
    return tuple(np.clip(image, 0, 255) for image in images)


def assert_same(image: np.ndarray, truth: np.ndarray) -> None:
    """The levels nearest to the unrounded truth; of two that are equally near, either."""
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image, truth, rtol=0, atol=0.501)


@pytest.mark.parametrize("side", [9, 16, 17, 32, 40, 61])
@pytest.mark.parametrize("corner", [(5, 7), (-12, 3), (20, -9), (-30, 50), (90, 90)])
def test_resample_is_crop_and_area_resize(side, corner):
    image = np.random.default_rng(side).uniform(0, 255, (40, 48, 3)).astype(np.float32)
    box = CropBox(*corner, side)
    truth, _ = brute_force(image[None], Cut(0, 1, box), 16)
    assert_same(resample(image, box, 16), truth)


@pytest.mark.parametrize("curve", [("identity", 1.0), ("gamma2.2", 2.2)])
@pytest.mark.parametrize("size", [16, 48])
def test_every_cut_equals_brute_force(clip_set, curve, size):
    name, exponent = curve
    path, frames = next(iter(clip_set.frames.items()))
    rng = np.random.default_rng(size)
    cuts = [
        Cut(start, length, CropBox(*rng.integers(-20, 40, 2).tolist(), int(rng.integers(10, 80))), name)
        for length in (1, 3, 7, 21)
        for start in rng.integers(0, 45 - length, 6).tolist()
    ]
    found = list(read_cuts(path, ArraySource(frames), cuts, size))
    assert sorted(done.place for done in found) == list(range(len(cuts)))
    stops = [cuts[done.place].stop for done in found]
    assert stops == sorted(stops)
    for done in found:
        blurry, sharp = brute_force(frames, cuts[done.place], size, exponent)
        assert_same(done.blurry, blurry)
        assert_same(done.sharp, sharp)


def test_both_curves_in_one_pass(clip_set):
    path, frames = next(iter(clip_set.frames.items()))
    cuts = [Cut(4, 9, CropBox(5, 5, 40)), Cut(6, 9, CropBox(5, 5, 40), "gamma2.2")]
    for done in read_cuts(path, ArraySource(frames), cuts, 16):
        assert_same(done.blurry, brute_force(frames, cuts[done.place], 16, (1.0, 2.2)[done.place])[0])


def test_dense_windows_do_not_drift():
    frames = np.random.default_rng(0).integers(0, 256, (400, 12, 12, 3), np.uint8)
    cuts = [Cut(start, 7, CropBox(0, 0, 12)) for start in range(394)]
    for done in read_cuts("v", ArraySource(frames), cuts, 12):
        mean = frames[done.place : done.place + 7].astype(np.float64).mean(axis=0)
        np.testing.assert_array_equal(done.blurry, np.rint(mean))


@pytest.mark.parametrize("size", [13, 64])
def test_a_still_video_is_not_changed(size):
    frame = np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8)
    cuts = [Cut(0, 21, CropBox(-7, 3, 40)), Cut(5, 7, CropBox(10, 10, 33)), Cut(30, 3, CropBox(0, 0, 50))]
    for done in read_cuts("v", ArraySource([frame] * 33), cuts, size):
        np.testing.assert_array_equal(done.blurry, done.sharp)
    light = [cut._replace(response=Response(2.2).name) for cut in cuts]
    for done in read_cuts("v", ArraySource([frame] * 33), light, size):
        assert np.abs(done.blurry.astype(int) - done.sharp).max() <= 1


class Counting(ArraySource):
    """Remembers which frames were asked for."""

    def is_jump_cheaper(self, position, start):
        return False  # as a decoder that only reads on

    def __init__(self, frames):
        super().__init__(frames)
        self.asked: list[tuple[int, int]] = []

    def frames(self, start=0, stop=None):
        self.asked.append((start, stop))
        return super().frames(start, stop)


def test_reads_once_from_the_first_needed_frame_to_the_last():
    source = Counting(np.zeros((60, 8, 8, 3), np.uint8))
    cuts = [Cut(40, 3, CropBox(0, 0, 8)), Cut(12, 7, CropBox(0, 0, 8)), Cut(14, 3, CropBox(0, 0, 8))]
    assert [done.place for done in read_cuts("v", source, cuts, 8)] == [2, 1, 0]
    assert source.asked == [(12, 43)]


def test_a_short_video_gives_what_it_has_and_then_says_so():
    cuts = [Cut(0, 3, CropBox(0, 0, 8)), Cut(8, 7, CropBox(0, 0, 8))]
    reading = read_cuts("v.mp4", ArraySource(np.zeros((10, 8, 8, 3), np.uint8)), cuts, 8)
    assert next(reading).place == 0
    with pytest.raises(VideoError, match=r"v.mp4: ends at frame 10, .* 15"):
        next(reading)


class Failing(ArraySource):
    def _read(self, start, stop):
        yield from super()._read(start, 5)
        raise OSError("bad packet")


def test_whatever_a_decoder_throws_is_a_video_error():
    with pytest.raises(VideoError, match="v.mp4: frame 5 cannot be decoded: bad packet"):
        list(read_cuts("v.mp4", Failing(np.zeros((10, 8, 8, 3), np.uint8)), [Cut(2, 7, CropBox(0, 0, 8))], 8))


def test_stretches_that_no_cut_needs_are_skipped_where_that_is_cheaper():
    frames = np.random.default_rng(0).integers(0, 256, (60, 20, 20, 3), np.uint8)
    read = []

    class Counting(ArraySource):
        def _read(self, start, stop):
            for index, frame in enumerate(super()._read(start, stop), start):
                read.append(index)
                yield frame

    cuts = [Cut(2, 3, CropBox(0, 0, 10)), Cut(40, 3, CropBox(3, 3, 10)), Cut(43, 1, CropBox(0, 0, 10))]
    found = {done.place: done.sharp for done in read_cuts("x", Counting(frames), cuts, 10)}
    assert read == [2, 3, 4, 40, 41, 42, 43]
    np.testing.assert_array_equal(found[1], frames[41, 3:13, 3:13])
    np.testing.assert_array_equal(found[2], frames[43, :10, :10])
