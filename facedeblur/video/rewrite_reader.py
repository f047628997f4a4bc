"""The reading side of a rewrite: upright frames, and in step with them their time stamps and the packets of sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facedeblur.video.clock import Pieces
from facedeblur.video.outline import VideoOutline, check_progressive
from facedeblur.video.source import VideoError
from facedeblur.video.streams import open_container, said

TRUNCATED_SECONDS, TRUNCATED_SHARE = 0.5, 0.02  # pictures that may be missing at the end of a sound file

Seconds = tuple[float, float | None]  # a part of a video: its beginning, and its end or None


class Stamp(NamedTuple):
    """When a frame is shown, and for how long, in ticks of the film's clock."""

    time: int
    duration: int


class RewriteReader:
    """Decodes in whatever thread iterates `frames()`; `pending` and `packets` are left for the writer.

    Attributes:
        pending: when each of the frames that are not written yet is shown.
        packets: of sound that is not written yet.
        count: frames so far.
    """

    def __init__(self, path: str | Path, facts: VideoOutline, part: Seconds = (0.0, None)) -> None:
        self.path, self.facts = str(path), facts
        self.container, self.video = open_container(path)
        self.video.thread_type = "AUTO"
        self.audio = list(self.container.streams.audio)
        self.pending: deque[Stamp] = deque()
        self.packets: deque[Any] = deque()
        self.count = 0
        self.part = part
        begin = Fraction(part[0]).limit_denominator(10**6) + (facts.timeline.first if part[0] else 0)
        self._begin, self._end = begin, None if part[1] is None else begin + Fraction(part[1] - part[0])
        self._sound_until: dict[int, int] = {}  # of each audio stream, where its last packet ended

    def frames(self) -> Iterator[np.ndarray]:
        """The upright frames of the part, RGB uint8 (H, W, 3). Raises VideoError where one cannot be decoded."""
        import av

        first, last, end, decoded = None, None, 0, 0
        base = self.video.time_base
        usual = max(1, round(1 / (self.facts.fps * base)))
        begin = round(self._begin / base)
        try:
            packets = self.container.demux(self.video, *self.audio)
            for packet in self.facts.timeline.moved(packets, Pieces.of(self.container)):
                if packet.stream.type == "audio":
                    self._keep_sound(packet)
                    continue
                for frame in packet.decode():
                    check_progressive(self.path, frame)
                    stamp = frame.pts
                    if stamp is None:
                        stamp = 0 if last is None else last + usual
                    last = stamp if last is None else max(stamp, last + 1)
                    first = last if first is None else first
                    end = last + (frame.duration or usual)
                    decoded += 1
                    if begin and last < begin:
                        continue
                    if self._end is not None and last * base >= self._end:
                        return
                    upright = self._upright(frame)
                    self.pending.append(Stamp(last - begin, frame.duration or usual))
                    self.count += 1
                    yield upright
        except av.FFmpegError as error:
            raise VideoError(self.path, f"frame {decoded} cannot be decoded: {said(error)}") from None
        self._check_end(float((end - (first or 0)) * base))

    def _keep_sound(self, packet: Any) -> None:
        """Sound within the part that does not overlap what came before: where files were joined, it may."""
        if packet.dts is None:  # the packets that end a stream hold nothing
            return
        base, start = packet.time_base, packet.dts
        if self._begin and start * base < self._begin - Fraction(1, 1000):
            return
        if self._end is not None and start * base >= self._end:
            return
        if len(self.facts.timeline.offsets) > 1 and start < self._sound_until.get(packet.stream_index, start):
            return
        self._sound_until[packet.stream_index] = start + max((packet.duration or 0) - 1, 1)  # clocks round
        if ticks := round(self._begin / base):
            packet.dts = start - ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks
        self.packets.append(packet)

    def _check_end(self, seconds: float) -> None:
        """Where a file was cut off, FFmpeg sees a video that just ends."""
        expected = self.facts.seconds
        if seconds < expected - max(TRUNCATED_SECONDS, TRUNCATED_SHARE * expected):
            remedy = "ffmpeg -i IN -c copy OUT makes a sound file of what is left"
            raise VideoError(self.path, f"truncated: ends after {seconds:.1f} of {expected:.1f} s; {remedy}")

    def _upright(self, frame: Any) -> np.ndarray:
        height, width = self.facts.height, self.facts.width
        if self.facts.orientation.transposed:
            height, width = width, height
        array = frame.to_ndarray(format="rgb24", width=width, height=height)  # a stream may change its size on the way
        return np.array(self.facts.orientation.upright(array), order="C")  # not a view of FFmpeg's own rows
