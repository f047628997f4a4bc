"""Which stream of a file is the film."""

from __future__ import annotations

import av
import numpy as np
import pytest

from facedeblur.video.index import inspect_video
from facedeblur.video.open import open_source
from facedeblur.video.outline import outline
from facedeblur.video.rewrite import rewrite_video
from facedeblur.video.streams import open_container


def make(path, *streams):
    """Each stream: (codec, width, height, frames, disposition); stream i is of grey level 40 + 40 i."""
    with av.open(str(path), "w") as container:
        made = []
        for codec, width, height, frames, disposition in streams:
            video = container.add_stream(codec, rate=25)
            video.width, video.height = width, height
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            video.disposition = disposition
            made.append((video, frames))
        for i, (video, frames) in enumerate(made):
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(np.full((video.height, video.width, 3), 40 + 40 * i, np.uint8))
                container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
            container.mux(video.encode())
    return path


DEFAULT, COVER, THUMBNAILS = 1, 1 << 10, 1 << 11
CASES = {
    "a thumbnail before the film": ([("mjpeg", 64, 48, 1, DEFAULT), ("libx264", 96, 64, 9, 0)], 1),
    "a large still before the film": ([("mjpeg", 192, 128, 1, DEFAULT), ("libx264", 96, 64, 9, 0)], 1),
    "the default one": ([("libx264", 96, 64, 9, 0), ("libx264", 64, 48, 9, DEFAULT)], 1),
    "the largest": ([("libx264", 64, 48, 9, DEFAULT), ("libx264", 96, 64, 5, DEFAULT)], 1),
    "the longest": ([("libx264", 64, 48, 5, DEFAULT), ("libx264", 64, 48, 9, DEFAULT)], 1),
    "the first": ([("libx264", 64, 48, 9, DEFAULT), ("libx264", 64, 48, 9, DEFAULT)], 0),
    "a single picture": ([("mjpeg", 64, 48, 1, DEFAULT)], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_film_is_chosen_by_every_reader_and_the_rest_is_named(tmp_path, case):
    streams, expected = CASES[case]
    path = make(tmp_path / "in.mov", *streams)
    container, film = open_container(path)
    with container:
        assert film.index == expected
    _, width, height, frames, _ = streams[expected]
    with open_source(path) as source:
        read = list(source.frames())
    assert len(read) == frames and abs(int(read[0].mean()) - 40 - 40 * expected) < 4
    if frames > 1:
        info = inspect_video((str(path), "auto"))
        assert (info.frames, info.width, info.height, info.error) == (frames, width, height, None)
    assert rewrite_video(path, tmp_path / "out.mp4", lambda frames: frames) == frames
    dropped = outline(path).dropped
    assert len(dropped) == len(streams) - 1
    for index in {0, 1} - {expected} if len(streams) > 1 else ():
        codec, width, height, *_ = streams[index]
        name = {"libx264": "h264"}.get(codec, codec)
        assert dropped == (f"video stream {index} ({name} {width}x{height})",)
