"""What a video file says before its frames are read, and what speaks against rewriting it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedeblur.video.clock import Timeline, timeline_of
from facedeblur.video.orientation import Orientation, orientation_of
from facedeblur.video.source import DEFAULT_FPS, VideoError, check_file
from facedeblur.video.streams import dropped_beside, open_container, said

_INDEXED = {"mp4", "avi"}  # their headers know how long the pictures last; elsewhere it is an estimate
_HDR = {16: "PQ", 18: "HLG"}  # AVColorTransferCharacteristic


@dataclass(frozen=True)
class VideoOutline:
    """What a video file says before its frames are read.

    Attributes:
        width, height: of the upright frames, in pixels.
        orientation: how stored frames are turned and mirrored for showing.
        frames: how many there should be, 0 if nothing says so.
        fps: average rate in frames per second.
        audio: the codec of each audio stream.
        seconds: how long the pictures should last, 0 if nothing says so.
        colour: AVFrame's matrix, range, transfer characteristic and primaries.
        timeline: of all packets.
        dropped: the streams that a rewritten video lacks, each in a few words.
    """

    width: int
    height: int
    orientation: Orientation
    frames: int
    fps: float
    audio: tuple[str, ...]
    seconds: float
    colour: tuple[int, int, int, int]
    timeline: Timeline
    dropped: tuple[str, ...]


def outline(path: str | Path) -> VideoOutline:
    """Read the header, the first frame and the time stamps. Raises VideoError for a file that cannot be rewritten."""
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
        check_progressive(path, first)
        orientation = orientation_of(first)
        sides = (first.height, first.width) if orientation.transposed else (first.width, first.height)
        fps = float(video.average_rate or DEFAULT_FPS)
        return VideoOutline(
            *sides,
            orientation,
            video.frames or round((container.duration or 0) / 1e6 * fps),
            fps,
            tuple(stream.codec_context.name for stream in container.streams.audio),
            float((video.duration or 0) * video.time_base) if _INDEXED & set(container.format.name.split(",")) else 0.0,
            (first.colorspace, first.color_range, first.color_trc, first.color_primaries),
            _timeline(path),
            dropped_beside(container, video),
        )


def check_progressive(path: str | Path, frame: Any) -> None:
    """Raises VideoError for an interlaced frame: its rows are of two moments, which no network here was trained on."""
    if frame.interlaced_frame:
        remedy = "make it progressive first: ffmpeg -i IN -vf bwdif -c:a copy OUT"
        raise VideoError(path, f"interlaced video, whose frames show two moments each; {remedy}")


def _timeline(path: str | Path) -> Timeline:
    import av

    container, video = open_container(path)
    with container:
        try:
            return timeline_of(container, video, container.streams.audio)
        except av.FFmpegError as error:
            raise VideoError(path, f"cannot be read to its end: {said(error)}") from None
