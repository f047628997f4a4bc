"""The same frames at the same indices, whichever library reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facedeblur.video.index import inspect_video
from facedeblur.video.open import has_decord, open_source
from facedeblur.video.source import VideoError
from facedeblur.video.torchcodec_source import import_torchcodec
from facedeblur.video.write import write_video

from ..faults.files import encode, film, over_reporting, rotated

FORMATS = {
    "h264.mp4": lambda path: write_video(path, film()),
    "mpeg4.avi": lambda path: encode(path, film(), codec="mpeg4"),
    "mpeg1.mpg": lambda path: encode(path, film(), codec="mpeg1video"),
    "lossless.mkv": lambda path: encode(path, film(), codec="ffv1"),
    "grey.mp4": lambda path: encode(path, film(), pix_fmt="gray"),
    "full-chroma.mp4": lambda path: encode(path, film(width=129, height=97), pix_fmt="yuv444p"),
    "ten-bit.mp4": lambda path: encode(path, film(), pix_fmt="yuv420p10le"),
    "rotated.mp4": lambda path: rotated(path, 90),
    "over-reporting.avi": over_reporting,
    "uneven.mkv": lambda path: encode(path, film(), ticks=[i + i // 5 for i in range(24)]),
}


def backends() -> list:
    """Those that can be compared with PyAV here."""
    try:
        import_torchcodec()
        loads = True
    except RuntimeError:
        loads = False
    return [
        pytest.param("decord", marks=pytest.mark.skipif(not has_decord(), reason="decord has no wheel here")),
        pytest.param(
            "torchcodec", marks=pytest.mark.skipif(not loads, reason="torchcodec's libraries do not load here")
        ),
        "auto",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    for name, make in FORMATS.items():
        make(folder / name)
    return folder


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("backend", backends())
def test_frames_are_those_of_pyav(folder, name, backend):
    with open_source(folder / name, "pyav") as source:
        truth = np.stack(list(source.frames())).astype(np.int16)
    assert len(truth) == 24
    try:
        with open_source(folder / name, backend) as source:
            frames = np.stack(list(source.frames(0, 24)))
    except VideoError:  # it says so, rather than giving other frames
        assert backend != "auto"
        return
    assert frames.shape == truth.shape
    rounding = 3.0 if name == "ten-bit.mp4" and backend != "auto" else 0.0
    assert np.abs(frames - truth).mean(axis=(1, 2, 3)).max() <= rounding


def test_the_index_chooses_for_each_file(folder):
    chosen = {name: inspect_video((str(folder / name), "auto")) for name in FORMATS}
    assert all(info.frames == 24 and info.error is None for info in chosen.values())
    if has_decord():
        readers = {name: info.backend for name, info in chosen.items()}
        assert (readers["h264.mp4"], readers["ten-bit.mp4"]) == ("decord", "pyav")
