"""Which of a container's streams is the film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facedeblur.video.source import VideoError

# Text files that name other files, or addresses: what a corpus holds is read, never what it points at.
PLAYLISTS = {"concat", "concatf", "dash", "hls", "imf", "sdp"}


def open_container(path: str | Path) -> tuple[Any, Any]:
    """A container, open for reading, and its film (see `film_of`); the caller closes it.

    Raises:
        VideoError: a file that is not a video, or only names other files.
    """
    import av

    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(path, f"not a video ({said(error)})") from None
    if PLAYLISTS.intersection(container.format.name.split(",")):
        container.close()
        raise VideoError(path, "not a video (a list of other files)")
    film = film_of(container)
    if film is None:
        container.close()
        raise VideoError(path, "no video stream")
    return container, film


def film_of(container: Any) -> Any | None:
    """The video stream that is meant: as FFmpeg, the default one, then the largest, then the longest, then the first.

    Cover pictures never are, and thumbnails, a single picture beside a film, only where there is nothing else.
    """
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    films = [s for s in streams if not _is_still(s)] or streams
    return max(films, key=_rank, default=None)


def dropped_beside(container: Any, film: Any) -> tuple[str, ...]:
    """What a rewritten video lacks: all streams but the film and its sound, each in a few words."""
    others = []
    for stream in container.streams:
        if stream.index == film.index or stream.type == "audio":
            continue
        if stream.type == "video":
            codec = stream.codec_context
            others.append(f"video stream {stream.index} ({codec.name} {codec.width}x{codec.height})")
        else:
            others.append(f"{stream.type} stream {stream.index}")
    return tuple(others)


def said(error: Exception) -> str:
    """What an FFmpeg error says, without its number and function."""
    return getattr(error, "strerror", None) or str(error)


def _is_still(stream: Any) -> bool:
    shown = stream.disposition
    return stream.frames == 1 or bool(shown & (shown.timed_thumbnails | shown.still_image))


def _rank(stream: Any) -> tuple[bool, int, float, int, int]:
    context = stream.codec_context
    seconds = float((stream.duration or 0) * (stream.time_base or 0))
    default = bool(stream.disposition & stream.disposition.default)
    return default, context.width * context.height, seconds, stream.frames, -stream.index
