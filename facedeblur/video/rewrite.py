"""Rewrite a video with other pictures: sound, time stamps, orientation and colour tags stay what they were.

Pictures are decoded, handed over upright and encoded again as H.264; packets of sound are copied as they are. A few
frames are in memory at any time, however long the video is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.files import replacing
from facedeblur.video.orientation import Orientation
from facedeblur.video.outline import outline
from facedeblur.video.prefetch import prefetch
from facedeblur.video.rewrite_reader import RewriteReader, Seconds
from facedeblur.video.sound import SoundEncoder
from facedeblur.video.source import VideoError
from facedeblur.video.streams import said
from facedeblur.video.write import even

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # they hold H.264
CONTAINERS = tuple(_FORMATS)
AHEAD = 2  # decoded frames that wait for their reader

_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # AVColorSpace -> swscale's number of the same matrix

Change = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]

# What MP4 has a place for; with any other tag, as telephones write them, all go where QuickTime keeps its keys.
_TAGS_OF_MP4 = {
    "album", "album_artist", "artist", "comment", "compatible_brands", "composer", "compilation", "copyright",
    "creation_time", "date", "description", "disc", "encoder", "episode_id", "episode_sort", "genre", "grouping",
    "lyrics", "major_brand", "media_type", "minor_version", "network", "season_number", "show", "sort_album",
    "sort_artist", "sort_name", "synopsis", "title", "track",
}  # fmt: skip


def rewrite_video(
    source: str | Path,
    target: str | Path,
    change: Change,
    crf: int = 16,
    preset: str = "veryfast",
    part: Seconds = (0.0, None),
    metadata: bool = True,
    encode_sound: bool = False,
) -> int:
    """Write `source` with other pictures to `target` and return their number.

    Kept are the time of every frame, to the tick and from 0 on (so a variable frame rate and a long last frame, too),
    orientation, pixel aspect, colour matrix and range, all audio streams, chapters and tags. Other streams are dropped
    (`outline` names them), and 10 bits become 8.

    Args:
        source: a file with a video stream.
        target: its suffix, one of `CONTAINERS`, names the container. The file appears when it is complete.
        change: given an iterator of upright RGB uint8 frames (H, W, 3), yields as many, in order and all of one size;
            it may read some frames ahead. An odd last row or column is repeated once.
        crf, preset: x264's quality (less is better) and effort.
        part: in seconds from the first picture on, the beginning and the end of what is written.
        metadata: whether tags, such as places and devices, are kept.
        encode_sound: sound that `target` cannot hold becomes AAC; else it is refused.

    Raises:
        VideoError: `source` cannot be decoded to its end, is HDR or interlaced, or `target` cannot hold its sound.
        ValueError: `change` yields another number of frames, or frames of another kind.
    """
    target, facts = Path(target), outline(source)
    with replacing(target) as temporary:
        reader = RewriteReader(source, facts, part)
        options = {"crf": str(crf), "preset": preset}
        if not facts.timeline.even:
            options["bf"] = "0"  # MP4 counts how long a frame lasts in the order of decoding
        with (
            reader.container,
            prefetch(reader.frames(), AHEAD) as frames,
            _writing(temporary, target, reader, options, metadata, encode_sound) as writer,
        ):
            for frame in change(frames):
                writer.write(frame)
            next(frames, None)  # one that `change` did not take is counted then, however slow its decoding
            writer.finish()
    return reader.count


@contextmanager
def _writing(
    temporary: Path, target: Path, reader: RewriteReader, options: dict[str, str], metadata: bool, encode_sound: bool
) -> Iterator[_Writer]:
    import av

    form = _FORMATS[target.suffix.lower()]
    tags = dict(reader.container.metadata) if metadata else {}
    foreign = form != "matroska" and {key.lower() for key in tags} - _TAGS_OF_MP4
    try:
        with av.open(
            str(temporary), "w", format=form, options={"movflags": "use_metadata_tags"} if foreign else {}
        ) as container:
            container.metadata.update(tags)
            yield _Writer(container, target, reader, options, metadata, encode_sound)
    except av.FFmpegError as error:
        raise VideoError(target, f"cannot be written: {said(error)}") from None


class _Writer:
    """Encodes and muxes. The streams are added with the first frame, whose size nobody knew before."""

    def __init__(
        self,
        container: Any,
        target: Path,
        reader: RewriteReader,
        options: dict[str, str],
        metadata: bool,
        encode_sound: bool,
    ) -> None:
        self.container, self.target, self.reader, self.options = container, target, reader, options
        self.metadata, self.encode_sound = metadata, encode_sound
        self.last: tuple[int, int] = (0, 0)  # the last frame's time and duration, in the film's ticks
        self.video: Any = None
        self.sound: dict[int, Any] = {}  # index of a source stream -> the stream it is copied to
        self.encoders: dict[int, SoundEncoder] = {}  # or what encodes it
        self.shape: tuple[int, ...] = ()
        self.count = 0

    def write(self, frame: np.ndarray) -> None:
        if self.video is None:
            self._start(frame)
        if frame.dtype != np.uint8 or frame.shape != self.shape:
            raise ValueError(f"change: frame {self.count} is {frame.dtype} {frame.shape}, not uint8 {self.shape}")
        if not self.reader.pending:
            raise ValueError(f"change: more frames out than the {self.reader.count} in")
        self._copy_sound()
        self._mux(self.video.encode(self._stored(frame)))
        self.count += 1

    def finish(self) -> None:
        if self.count != self.reader.count or self.video is None:
            raise ValueError(f"change: {self.reader.count} frames in, {self.count} out")
        self._copy_sound()
        for encoder in self.encoders.values():
            self.container.mux(encoder.finish())
        self._mux(self.video.encode())

    def _mux(self, packets: list[Any]) -> None:
        """The last frame, which no other follows, is the one whose duration has to be said."""
        base = self.reader.video.time_base
        for packet in packets:
            if packet.pts is not None and packet.pts * packet.time_base == self.last[0] * base:
                packet.duration = round(self.last[1] * base / packet.time_base)
            self.container.mux(packet)

    def _start(self, frame: np.ndarray) -> None:
        import av

        given, facts = self.reader.video, self.reader.facts
        self.shape = frame.shape
        if self.metadata and self.reader.part == (0.0, None):
            self.container.set_chapters(self.reader.container.chapters())
        stored = even(facts.orientation.stored(frame))
        self.video = video = self.container.add_stream("libx264", rate=given.average_rate or round(facts.fps))
        video.options = self.options
        video.height, video.width = stored.shape[:2]
        video.pix_fmt = "yuvj420p" if facts.colour[1] == 2 else "yuv420p"
        context = video.codec_context
        context.time_base = given.time_base
        context.colorspace, context.color_range, context.color_trc, context.color_primaries = facts.colour
        if given.sample_aspect_ratio:
            context.sample_aspect_ratio = given.sample_aspect_ratio
        if facts.orientation != Orientation():
            video.set_display_matrix(facts.orientation.matrix())
        self._describe(video, given)
        for stream in self.reader.audio:
            held = stream.codec_context.name in self.container.supported_codecs
            if self.encode_sound and not held:
                encoder = self.encoders[stream.index] = SoundEncoder(self.container, stream)
                self._describe(encoder.target, stream)
                continue
            try:
                self.sound[stream.index] = copied = self.container.add_stream_from_template(stream)
            except ValueError:
                raise self._refusal() from None
            self._describe(copied, stream)
        try:
            self.container.start_encoding()
        except (av.FFmpegError, ValueError):
            if not self.sound:
                raise
            raise self._refusal() from None

    def _describe(self, stream: Any, given: Any) -> None:
        """What a stream is for, its language and its other tags."""
        stream.disposition = given.disposition
        tags = dict(given.metadata)
        if not self.metadata:
            tags = {key: value for key, value in tags.items() if key == "language"}
        stream.metadata.update(tags)

    def _refusal(self) -> VideoError:
        names, suffix = ", ".join(self.reader.facts.audio), self.target.suffix
        remedy = "convert it first (ffmpeg -c:v copy -c:a aac)" if suffix == ".mkv" else "name the output .mkv"
        return VideoError(self.target, f"{suffix} cannot hold the sound ({names}): {remedy}")

    def _copy_sound(self) -> None:
        while self.reader.packets:
            packet = self.reader.packets.popleft()
            if packet.stream.index in self.encoders:
                self.container.mux(self.encoders[packet.stream.index].encode(packet))
                continue
            packet.stream = self.sound[packet.stream.index]
            self.container.mux(packet)

    def _stored(self, upright: np.ndarray) -> Any:
        import av

        stored = even(self.reader.facts.orientation.stored(upright))
        matrix, spread, curve, primaries = self.reader.facts.colour
        stamp = self.reader.pending.popleft()
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24").reformat(
            format=self.video.pix_fmt, dst_colorspace=_SWSCALE.get(matrix), dst_color_range=spread or None
        )
        frame.color_trc, frame.color_primaries = curve, primaries
        self.last = stamp
        frame.pts, frame.time_base = stamp.time, self.reader.video.time_base
        return frame
