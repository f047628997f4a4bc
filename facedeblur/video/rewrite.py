"""Rewrite a video with other pictures: sound, timestamps, rotation and colour tags stay what they were.

Pictures are decoded, handed over upright and encoded again as H.264; packets of sound are copied as they are. A few
frames are in memory at any time, however long the video is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.files import replacing
from facedeblur.video.ahead import ahead
from facedeblur.video.pyav_source import open_container, said
from facedeblur.video.source import DEFAULT_FPS, VideoError, check_file
from facedeblur.video.write import even

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # they hold H.264
CONTAINERS = tuple(_FORMATS)
AHEAD = 2  # decoded frames that wait for their reader
TRUNCATED_SECONDS, TRUNCATED_SHARE = 0.5, 0.02  # pictures that may be missing at the end of a sound file

Change = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]

_INDEXED = {"mp4", "avi"}  # their headers know how long the pictures last; elsewhere it is an estimate
_HDR = {16: "PQ", 18: "HLG"}  # AVColorTransferCharacteristic
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # AVColorSpace -> swscale's number of the same matrix


@dataclass(frozen=True)
class VideoOutline:
    """What a video file says before its frames are read.

    Attributes:
        width, height: of the upright frames, in pixels.
        turns: quarter turns counter-clockwise that bring a stored frame upright, 0 to 3.
        frames: how many there should be, 0 if nothing says so.
        fps: average rate in frames per second.
        audio: the codec of each audio stream.
        seconds: how long the pictures should last, 0 if nothing says so.
        colour: AVFrame's matrix, range, transfer characteristic and primaries.
    """

    width: int
    height: int
    turns: int
    frames: int
    fps: float
    audio: tuple[str, ...]
    seconds: float
    colour: tuple[int, int, int, int]


def outline(path: str | Path) -> VideoOutline:
    """Read the header and the first frame. Raises VideoError for a file that cannot be rewritten."""
    import av

    check_file(path)
    container, video = open_container(path)
    with container:
        try:
            first = next(container.decode(video), None)
        except av.FFmpegError as error:
            raise VideoError(path, f"frame 0 cannot be decoded: {said(error)}") from None
        if first is None:
            raise VideoError(path, "no frame can be decoded")
        if first.color_trc in _HDR:
            raise VideoError(path, f"HDR video ({_HDR[first.color_trc]}): convert it to standard dynamic range first")
        turns = round(first.rotation / 90) % 4
        width, height = (first.height, first.width) if turns % 2 else (first.width, first.height)
        fps = float(video.average_rate or DEFAULT_FPS)
        return VideoOutline(
            width,
            height,
            turns,
            video.frames or round((container.duration or 0) / 1e6 * fps),
            fps,
            tuple(stream.codec_context.name for stream in container.streams.audio),
            float((video.duration or 0) * video.time_base) if _INDEXED & set(container.format.name.split(",")) else 0.0,
            (first.colorspace, first.color_range, first.color_trc, first.color_primaries),
        )


def rewrite_video(source: str | Path, target: str | Path, change: Change, crf: int = 16, preset: str = "fast") -> int:
    """Write `source` with other pictures to `target` and return their number.

    Kept are the time of every frame (so a variable frame rate, too), display rotation, pixel aspect, colour matrix and
    range, all audio streams, chapters and tags. Subtitles and data streams are dropped, and 10 bits become 8.

    Args:
        source: a file with a video stream.
        target: its suffix, one of `CONTAINERS`, names the container. The file appears when it is complete.
        change: given an iterator of upright RGB uint8 frames (H, W, 3), yields as many, in order and all of one size;
            it may read some frames ahead. An odd last row or column is repeated once.
        crf, preset: x264's quality (less is better) and effort.

    Raises:
        VideoError: `source` cannot be decoded to its end or is HDR, or `target` cannot hold its sound.
        ValueError: `change` yields another number of frames, or frames of another kind.
    """
    target, facts = Path(target), outline(source)
    with replacing(target) as temporary:
        reader = _Reader(source, facts)
        options = {"crf": str(crf), "preset": preset}
        with (
            reader.container,
            ahead(reader.frames(), AHEAD) as frames,
            _writing(temporary, target, reader, options) as writer,
        ):
            for frame in change(frames):
                writer.write(frame)
            writer.finish()
    return reader.count


class _Reader:
    """Decodes in whatever thread iterates `frames()`; stamps and sound are left for the writer."""

    def __init__(self, path: str | Path, facts: VideoOutline) -> None:
        self.path, self.facts = str(path), facts
        self.container, self.video = open_container(path)
        self.video.thread_type = "AUTO"
        self.audio = list(self.container.streams.audio)
        self.stamps: deque[int] = deque()  # presentation times of the frames that are not written yet
        self.packets: deque[Any] = deque()  # sound that is not written yet
        self.count = 0

    def frames(self) -> Iterator[np.ndarray]:
        import av

        last, end = None, 0
        step = max(1, round(1 / (self.facts.fps * self.video.time_base)))
        try:
            for packet in self.container.demux(self.video, *self.audio):
                if packet.stream.type == "audio":
                    if packet.dts is not None:  # the packets that end a stream hold nothing
                        self.packets.append(packet)
                    continue
                for frame in packet.decode():
                    stamp = frame.pts
                    if stamp is None:
                        stamp = 0 if last is None else last + step
                    last = stamp if last is None else max(stamp, last + 1)
                    self.stamps.append(last)
                    self.count += 1
                    end = last + (frame.duration or step)
                    yield self._upright(frame)
        except av.FFmpegError as error:
            raise VideoError(self.path, f"frame {self.count} cannot be decoded: {said(error)}") from None
        self._check_end(float((end - (self.video.start_time or 0)) * self.video.time_base))

    def _check_end(self, seconds: float) -> None:
        """Where a file was cut off, FFmpeg sees a video that just ends."""
        expected = self.facts.seconds
        if seconds < expected - max(TRUNCATED_SECONDS, TRUNCATED_SHARE * expected):
            remedy = "ffmpeg -i IN -c copy OUT makes a sound file of what is left"
            raise VideoError(self.path, f"truncated: ends after {seconds:.1f} of {expected:.1f} s; {remedy}")

    def _upright(self, frame: Any) -> np.ndarray:
        height, width = self.facts.height, self.facts.width
        if self.facts.turns % 2:
            height, width = width, height
        array = frame.to_ndarray(format="rgb24", width=width, height=height)  # a stream may change its size on the way
        return np.array(np.rot90(array, self.facts.turns), order="C")  # not a view of FFmpeg's own rows


@contextmanager
def _writing(temporary: Path, target: Path, reader: _Reader, options: dict[str, str]) -> Iterator[_Writer]:
    import av

    try:
        with av.open(str(temporary), "w", format=_FORMATS[target.suffix.lower()]) as container:
            yield _Writer(container, target, reader, options)
    except av.FFmpegError as error:
        raise VideoError(target, f"cannot be written: {said(error)}") from None


class _Writer:
    """Encodes and muxes. The streams are added with the first frame, whose size nobody knew before."""

    def __init__(self, container: Any, target: Path, reader: _Reader, options: dict[str, str]) -> None:
        self.container, self.target, self.reader, self.options = container, target, reader, options
        self.video: Any = None
        self.sound: dict[int, Any] = {}  # index of a source stream -> the stream it is copied to
        self.shape: tuple[int, ...] = ()
        self.count = 0

    def write(self, frame: np.ndarray) -> None:
        if self.video is None:
            self._start(frame)
        if frame.dtype != np.uint8 or frame.shape != self.shape:
            raise ValueError(f"change: frame {self.count} is {frame.dtype} {frame.shape}, not uint8 {self.shape}")
        if not self.reader.stamps:
            raise ValueError(f"change: more frames out than the {self.reader.count} in")
        self._copy_sound()
        self.container.mux(self.video.encode(self._stored(frame)))
        self.count += 1

    def finish(self) -> None:
        if self.count != self.reader.count or self.video is None:
            raise ValueError(f"change: {self.reader.count} frames in, {self.count} out")
        self._copy_sound()
        self.container.mux(self.video.encode())

    def _start(self, frame: np.ndarray) -> None:
        import av

        given, facts = self.reader.video, self.reader.facts
        self.shape = frame.shape
        self.container.metadata.update(self.reader.container.metadata)
        self.container.set_chapters(self.reader.container.chapters())
        stored = even(np.rot90(frame, -facts.turns))
        self.video = video = self.container.add_stream("libx264", rate=given.average_rate or round(facts.fps))
        video.options = self.options
        video.height, video.width = stored.shape[:2]
        video.pix_fmt = "yuvj420p" if facts.colour[1] == 2 else "yuv420p"
        context = video.codec_context
        context.time_base = given.time_base
        context.colorspace, context.color_range, context.color_trc, context.color_primaries = facts.colour
        if given.sample_aspect_ratio:
            context.sample_aspect_ratio = given.sample_aspect_ratio
        if self.reader.facts.turns:
            video.set_display_rotation(90 * facts.turns)
        video.metadata.update(given.metadata)
        for stream in self.reader.audio:
            try:
                self.sound[stream.index] = copied = self.container.add_stream_from_template(stream)
            except ValueError:
                raise self._refusal() from None
            copied.metadata.update(stream.metadata)
        try:
            self.container.start_encoding()
        except (av.FFmpegError, ValueError):
            if not self.sound:
                raise
            raise self._refusal() from None

    def _refusal(self) -> VideoError:
        names, suffix = ", ".join(self.reader.facts.audio), self.target.suffix
        remedy = "convert it first (ffmpeg -c:v copy -c:a aac)" if suffix == ".mkv" else "name the output .mkv"
        return VideoError(self.target, f"{suffix} cannot hold the sound ({names}): {remedy}")

    def _copy_sound(self) -> None:
        while self.reader.packets:
            packet = self.reader.packets.popleft()
            packet.stream = self.sound[packet.stream.index]
            self.container.mux(packet)

    def _stored(self, upright: np.ndarray) -> Any:
        import av

        stored = even(np.rot90(upright, -self.reader.facts.turns))
        matrix, spread, curve, primaries = self.reader.facts.colour
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24").reformat(
            format=self.video.pix_fmt, dst_colorspace=_SWSCALE.get(matrix), dst_color_range=spread or None
        )
        frame.color_trc, frame.color_primaries = curve, primaries
        frame.pts, frame.time_base = self.reader.stamps.popleft(), self.reader.video.time_base
        return frame
