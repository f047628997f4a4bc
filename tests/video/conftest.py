"""Small video files, sound and damaged."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from facedeblur.video.write import write_video

from ..faults.files import silence


def moving_pattern(count: int, height: int, width: int) -> list[np.ndarray]:
    """Smooth frames of which no two are alike."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    frames = []
    for i in range(count):
        planes = [127 + 120 * np.sin((x * (c + 1) + 2 * y) / 9 + 0.37 * i + c) for c in range(3)]
        frames.append(np.stack(planes, axis=2).astype(np.uint8))
    return frames


@pytest.fixture
def make_clip(tmp_path):
    """make_clip(name, count, height, width) -> path of an H.264 file."""

    def make(name: str = "clip.mp4", count: int = 40, height: int = 48, width: int = 64) -> Path:
        path = tmp_path / name
        write_video(path, moving_pattern(count, height, width))
        return path

    return make


@pytest.fixture
def make_damaged(make_clip, tmp_path):
    """make_damaged(kind) -> path of a file that is not what it should be."""

    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.mp4"
        if kind == "empty":
            path.touch()
        elif kind == "text":
            path.write_text("this is not a video\n" * 200)
        elif kind == "audio":
            silence(path)
        elif kind == "one_frame":
            make_clip(path.name, count=1)
        elif kind == "half":
            _index_in_front(make_clip("whole.mp4", count=60), path)
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        elif kind == "headless":  # the index of an ordinary mp4 lies at its end
            path.write_bytes(make_clip("whole.mp4").read_bytes()[:4000])
        return path

    return make


def _index_in_front(whole: Path, path: Path) -> None:
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
