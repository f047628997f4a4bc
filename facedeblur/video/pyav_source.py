"""The PyAV backend: decodes on demand, on every platform, whatever FFmpeg can read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.video.source import DEFAULT_FPS, PassSource, VideoError, check_file

# Text files that name other files, or addresses: what a corpus holds is read, never what it points at.
PLAYLISTS = {"concat", "concatf", "dash", "hls", "imf", "sdp"}

# Containers that say where each frame lies. In MPEG streams time stamps are guessed anew after a jump, and the frames
# that follow are others than those of a pass from the start.
INDEXED = {"mov", "matroska"}

SEEK_COST = 30  # frames that could be decoded while a file is opened anew and sought in


class PyAVSource(PassSource):
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
            self._turns = self._quarter_turns(container, stream)
        if not (self.width and self.height):
            raise VideoError(path, "video stream without a frame size")
        self._times: list[int] | None = None  # of all frames in order, once they are asked for; [] where unsound
        self._keys: list[int] = []  # indices of the key frames
        self._stored = self.width, self.height
        if self._turns % 2:
            self.width, self.height = self.height, self.width

    def packet_times(self) -> list[float | None]:
        """When the packets that are to be shown are due, in seconds and in the order of showing; nothing is decoded.

        None where the container does not say. Packets and frames correspond in sound files.
        """
        container, stream = self._open()
        try:
            with container:
                shown = shown_packets(container, stream)
                times = [None if p.pts is None else float(p.pts * p.time_base) for p in shown]
        except self._decoder_errors() as error:
            raise VideoError(self._path, f"cannot be read to its end: {said(error)}") from None
        return times if None in times else sorted(times)

    def _open(self) -> tuple[Any, Any]:
        container, stream = open_container(self._path)
        stream.thread_count = 1  # a process has one thread to itself; parallelism is over videos
        return container, stream

    def _quarter_turns(self, container: Any, stream: Any) -> int:
        """How often frames are to be turned by 90 degrees, counterclockwise; known once a frame is decoded."""
        try:
            return next((round(frame.rotation / 90) % 4 for frame in container.decode(stream)), 0)
        except self._decoder_errors():
            return 0  # whoever reads the frames will be told

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
                    yield np.array(np.rot90(image, self._turns) if self._turns else image, order="C")
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


def open_container(path: str | Path) -> tuple[Any, Any]:
    """A container, open for reading, and its first video stream that is not a cover picture; the caller closes it.

    Raises VideoError for a file that is not a video, or only names other files.
    """
    import av

    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(path, f"not a video ({said(error)})") from None
    if PLAYLISTS.intersection(container.format.name.split(",")):
        container.close()
        raise VideoError(path, "not a video (a list of other files)")
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not streams:
        container.close()
        raise VideoError(path, "no video stream")
    return container, streams[0]


def shown_packets(container: Any, stream: Any) -> list[Any]:
    """The packets whose frames are to be shown, in the order of the file; nothing is decoded."""
    return [packet for packet in container.demux(stream) if packet.size > 0 and not packet.is_discard]


def said(error: Exception) -> str:
    """What an FFmpeg error says, without its number and function."""
    return getattr(error, "strerror", None) or str(error)
