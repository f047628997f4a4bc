"""The PyAV backend: decodes on demand, on every platform, whatever FFmpeg can read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.video.clock import Pieces
from facedeblur.video.orientation import Orientation, orientation_of
from facedeblur.video.source import DEFAULT_FPS, SequentialSource, VideoError, check_file
from facedeblur.video.streams import open_container, said

# Containers that say where each frame lies. In MPEG streams time stamps are guessed anew after a jump, and the frames
# that follow are others than those of a pass from the start.
INDEXED = {"mov", "matroska"}

JOIN = 1  # seconds between the pieces of a joined file: no blur window may span them

SEEK_COST = 30  # frames that could be decoded while a file is opened anew and sought in


class PyAVSource(SequentialSource):
    """A video file read by PyAV in the calling thread, one packet at a time; turned upright as its metadata asks.

    Attributes:
        declared_frames: what the container says, or an estimate from its duration; 0 if it says nothing.
    """

    backend = "pyav"

    def __init__(self, path: str | Path):
        super().__init__()
        check_file(path)
        self._path = str(path)
        container, stream = self._open()
        with container:
            self.width, self.height = stream.width, stream.height
            self.fps = float(stream.average_rate or DEFAULT_FPS)
            seconds = (container.duration or 0) / 1e6
            self.declared_frames = stream.frames or round(seconds * self.fps)
            self._orientation = self._orientation_of(container, stream)
        if not (self.width and self.height):
            raise VideoError(path, "video stream without a frame size")
        self._times: list[int] | None = None  # of all frames in order, once they are asked for; [] where unsound
        self._keys: list[int] = []  # indices of the key frames
        self._stored = self.width, self.height
        if self._orientation.transposed:
            self.width, self.height = self.height, self.width

    def packet_times(self) -> list[float | None]:
        """When the packets that are to be shown are due, in seconds and in the order of showing; nothing is decoded.

        None where the container does not say. Packets and frames correspond in sound files.
        """
        times: list[list[float | None]] = [[]]  # of each piece of a file that was joined
        container, stream = self._open()
        pieces = Pieces.of(container)
        try:
            with container:
                for packet in container.demux(stream):
                    piece = pieces.piece_of(packet)
                    times += [[] for _ in range(piece + 1 - len(times))]
                    if is_shown(packet):
                        times[piece].append(None if packet.pts is None else float(packet.pts * packet.time_base))
        except self._decoder_errors() as error:
            raise VideoError(self._path, f"cannot be read to its end: {said(error)}") from None
        return _in_a_row(times)

    def _open(self) -> tuple[Any, Any]:
        container, stream = open_container(self._path)
        stream.thread_count = 1  # a process has one thread to itself; parallelism is over videos
        return container, stream

    def _orientation_of(self, container: Any, stream: Any) -> Orientation:
        """Known once a frame is decoded."""
        try:
            return next((orientation_of(frame) for frame in container.decode(stream)), Orientation())
        except self._decoder_errors():
            return Orientation()  # reading the frames will raise it again

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        container, stream = self._open()
        width, height = self._stored
        with container:
            index = start
            try:
                for frame in self._frames_from(container, stream, start, stop):
                    # A stream may change its size on the way; its readers rely on one. The array is a view of FFmpeg's
                    # padded rows, which the caller shall not own.
                    image = frame.to_ndarray(format="rgb24", width=width, height=height)
                    yield np.array(self._orientation.upright(image), order="C")
                    index += 1
            except self._decoder_errors() as error:
                raise VideoError(self._path, f"frame {index} cannot be decoded: {said(error)}") from None

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        if start - position <= SEEK_COST:  # so that the packets need not be looked at
            return False
        key = self._key_before(start)
        return key is not None and key[0] - SEEK_COST > position

    def _frames_from(self, container: Any, stream: Any, start: int, stop: int | None) -> Iterator[Any]:
        """Decoded frames from `start` on: from the key frame before it where that is far on, else from the first."""
        key = self._key_before(start) if start > SEEK_COST else None
        if key is None or key[0] == 0:
            yield from islice(container.decode(stream), start, stop)
            return
        _, seek_to, wanted = key
        container.seek(seek_to, stream=stream)
        frames = container.decode(stream)
        first = next((frame for frame in frames if frame.pts is None or frame.pts >= wanted), None)
        if first is None or first.pts != wanted:  # its time stamps mislead
            container.seek(0, stream=stream)
            yield from islice(container.decode(stream), start, stop)
            return
        yield first
        yield from islice(frames, None if stop is None else stop - start - 1)

    def _key_before(self, start: int) -> tuple[int, int, int] | None:
        """(index and time stamp of the last key frame up to `start`, time stamp of `start`); None where the
        container or its packets do not tell."""
        if self._times is None:
            container, stream = self._open()
            with container:
                try:
                    indexed = INDEXED.intersection(container.format.name.split(","))
                    shown = shown_packets(container, stream) if indexed else []
                except self._decoder_errors():
                    shown = []
            times = [p.pts for p in shown]
            sound = bool(shown) and None not in times and len(set(times)) == len(times) and shown[0].is_keyframe
            self._times = sorted(times) if sound else []
            keys = {p.pts for p in shown if p.is_keyframe}
            self._keys = [index for index, time in enumerate(self._times) if time in keys]
        if start >= len(self._times):
            return None
        index = self._keys[bisect_right(self._keys, start) - 1]
        return index, self._times[index], self._times[start]

    @staticmethod
    def _decoder_errors() -> type[Exception]:
        import av

        return av.FFmpegError


def _in_a_row(pieces: list[list[float | None]]) -> list[float | None]:
    """The times of all pieces, each a while after the one before; as they are where some are unknown."""
    if any(None in piece for piece in pieces):
        return [time for piece in pieces for time in piece]
    row: list[float] = sorted(pieces[0])
    for piece in pieces[1:]:
        start = (row[-1] + JOIN if row else 0.0) - min(piece, default=0.0)
        row += [time + start for time in sorted(piece)]
    return row


def shown_packets(container: Any, stream: Any) -> list[Any]:
    """The packets whose frames are to be shown, in the order of the file; nothing is decoded."""
    return [packet for packet in container.demux(stream) if is_shown(packet)]


def is_shown(packet: Any) -> bool:
    """Whether a packet's frame is to be shown."""
    return packet.size > 0 and not packet.is_discard
