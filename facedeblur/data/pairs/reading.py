"""Many windows from one forward pass over a video: crop first, average, resize once.

The running sum S of the frames gives every window's sum as S[stop] - S[start], so a frame costs one addition however
many windows it lies in. Windows that share frames with one another form a chain; S starts again with every chain and
covers only the boxes of its windows. Sums of stored intensities are whole numbers: floating point holds them exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from facedeblur.blur.response import response
from facedeblur.data.pairs.resample import resample
from facedeblur.faces.crop import CropBox
from facedeblur.video.album import is_missing
from facedeblur.video.source import FrameSource, VideoError

_EXACT_FRAMES = 2**24 // 255  # float32 holds the sum of so many uint8 frames exactly


class Cut(NamedTuple):
    """What is cut from a video: `box` out of `length` frames from `start` on, averaged under a response curve."""

    start: int
    length: int
    box: CropBox
    response: str = "identity"

    @property
    def target(self) -> int:
        """Index of the middle frame, the sharp one."""
        return self.start + self.length // 2

    @property
    def stop(self) -> int:
        """Index after the last frame."""
        return self.start + self.length


class Finished(NamedTuple):
    """A cut that is complete: its place in the list of cuts, and both images, uint8 (size, size, 3)."""

    place: int
    blurry: np.ndarray
    sharp: np.ndarray


def read_cuts(path: str, source: FrameSource, cuts: Sequence[Cut], size: int) -> Iterator[Finished]:
    """Reads `source` forward once, no further than needed, and yields every cut as its last frame comes by.

    Stretches that no cut needs are passed over as the source does it best.

    The blurry image is the mean of the frames (Eq. 8), the sharp one the middle frame, both cropped with replicated
    borders and resized to `size`. Raises VideoError when the video ends or stops decoding before the last cut.
    """
    order = sorted(range(len(cuts)), key=lambda place: (cuts[place].start, cuts[place].stop))
    chains = list(_chains(order, cuts))
    spans = [(cuts[chain[0]].start, max(cuts[place].stop for place in chain)) for chain in chains]
    frames = _checked(path, source.read_ranges(spans), spans)
    buffers = _Buffers()
    for chain in chains:
        yield from _read_chain(path, frames, {place: cuts[place] for place in chain}, size, buffers)


def _checked(
    path: str, frames: Iterator[tuple[int, np.ndarray]], spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, np.ndarray]]:
    """The frames of all spans; whatever a decoder throws, or does not give, becomes a VideoError."""
    index, stop = spans[0][0], spans[-1][1]
    try:
        for place, frame in frames:
            index = place
            yield index, frame
            index += 1
    except VideoError:
        raise
    except Exception as error:
        raise VideoError(path, f"frame {index} cannot be decoded: {error or type(error).__name__}") from error
    if index < stop:
        raise VideoError(path, f"ends at frame {index}, but its plan goes on to {stop}; did the file change?")


def _chains(order: Sequence[int], cuts: Sequence[Cut]) -> Iterator[list[int]]:
    """Splits places of cuts, sorted by start, where a cut begins after all before it have ended."""
    chain: list[int] = []
    stop = 0
    for place in order:
        if chain and cuts[place].start >= stop:
            yield chain
            chain = []
        chain.append(place)
        stop = max(stop, cuts[place].stop)
    yield chain


def _read_chain(
    path: str, frames: Iterator[tuple[int, np.ndarray]], cuts: dict[int, Cut], size: int, buffers: _Buffers
) -> Iterator[Finished]:
    """Takes the frames of one chain from `frames`."""
    starts, targets, stops = defaultdict(list), defaultdict(list), defaultdict(list)
    for place, cut in cuts.items():
        starts[cut.start].append(place)
        targets[cut.target].append(place)
        stops[cut.stop].append(place)
    first, end = min(starts), max(stops)
    curves = {cut.response: response(cut.response) for cut in cuts.values()}
    before: dict[int, np.ndarray] = {}
    sharp: dict[int, np.ndarray] = {}
    for index, frame in frames:
        if index == first:  # the photos of an album differ in size, but a chain of theirs is one photo
            if is_missing(frame):
                raise VideoError(path, f"photo {index} is gone or cannot be decoded")
            height, width = frame.shape[:2]
            rects = {place: _Rect.inside(cut.box, width, height) for place, cut in cuts.items()}
            region = _Rect.around(rects.values())
            sums = {name: _running_sum(name, region, end - first, buffers) for name in curves}
        for place in starts[index] if index > first else ():  # before the first frame the sum is zero
            before[place] = rects[place].of(sums[cuts[place].response], region).copy()
        for name, total in sums.items():
            seen = region.of(frame)
            cv2.accumulate(seen if name == "identity" else curves[name].decode(seen), total)
        for place in targets[index]:
            middle = buffers.get("middle", rects[place])
            np.copyto(middle, rects[place].of(frame))
            sharp[place] = resample(middle, rects[place].shifted(cuts[place].box), size)
        for place in stops[index + 1]:
            cut, rect = cuts[place], rects[place]
            mean = buffers.get("mean", rect, sums[cut.response].dtype)
            total = rect.of(sums[cut.response], region)
            if place in before:
                total = np.subtract(total, before.pop(place), out=mean)
            np.divide(total, cut.length, out=mean)
            blurry = resample(curves[cut.response].encode(mean), rect.shifted(cut.box), size)
            yield Finished(place, blurry, sharp.pop(place))
        if index + 1 == end:
            return


def _running_sum(name: str, region: _Rect, frames: int, buffers: _Buffers) -> np.ndarray:
    """Zeros (h, w, 3) in which `frames` frames can be summed without rounding: light is no whole number."""
    exact = name == "identity" and frames <= _EXACT_FRAMES
    total = buffers.get(f"sum {name}", region, np.dtype(np.float32 if exact else np.float64))
    total.fill(0)
    return total


class _Rect(NamedTuple):
    """Columns left ... right - 1 and rows top ... bottom - 1 of a frame."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def inside(cls, box: CropBox, width: int, height: int) -> _Rect:
        """The part of a box inside the frame, or where there is none the pixels nearest to it."""
        left, top = min(max(box.x, 0), width - 1), min(max(box.y, 0), height - 1)
        return cls(left, top, max(left + 1, min(box.x + box.side, width)), max(top + 1, min(box.y + box.side, height)))

    @classmethod
    def around(cls, rects: Iterable[_Rect]) -> _Rect:
        left, top, right, bottom = zip(*rects, strict=True)
        return cls(min(left), min(top), max(right), max(bottom))

    def of(self, image: np.ndarray, region: _Rect | None = None) -> np.ndarray:
        """A view of these pixels in a frame, or in an image of only a `region` of it."""
        x, y = (region.left, region.top) if region else (0, 0)
        return image[self.top - y : self.bottom - y, self.left - x : self.right - x]

    def shifted(self, box: CropBox) -> CropBox:
        """`box` in an image of only these pixels."""
        return CropBox(box.x - self.left, box.y - self.top, box.side)


class _Buffers:
    """Large arrays, used again from window to window: fresh memory costs as much as what is done with it."""

    def __init__(self) -> None:
        self._flat: dict[str, np.ndarray] = {}

    def get(self, name: str, rect: _Rect, dtype: np.typing.DTypeLike = np.float32) -> np.ndarray:
        """An array (height, width, 3) of undefined content, valid until `name` is asked for again."""
        shape = (rect.bottom - rect.top, rect.right - rect.left, 3)
        count = shape[0] * shape[1] * 3
        flat = self._flat.get(name)
        if flat is None or flat.size < count or flat.dtype != dtype:
            flat = self._flat[name] = np.empty(count, dtype)
        return flat[:count].reshape(shape)
