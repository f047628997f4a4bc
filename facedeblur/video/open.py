"""Which library decodes a file: `open_source` and the choice of a backend."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedeblur.video.image_folder import ImageFolderSource
from facedeblur.video.source import FrameSource, VideoError

if TYPE_CHECKING:
    from facedeblur.video.decord_source import DecordSource
    from facedeblur.video.pyav_source import PyAVSource

BACKENDS = ("auto", "decord", "pyav", "torchcodec", "images", "album")

# decord decodes ahead of a slow reader without bound, so at worst a whole video lies in memory. Longer ones go to PyAV,
# which decodes on demand and costs about a fifth more time.
DECORD_MAX_BYTES = 512 * 2**20


def has_decord() -> bool:
    """Whether decord is installed (it has wheels for some platforms only)."""
    return importlib.util.find_spec("decord") is not None


def suits_decord(frames: int, width: int, height: int) -> bool:
    """Whether a video of this many frames, fully decoded, is small enough for decord."""
    return frames * width * height * 3 <= DECORD_MAX_BYTES


def open_source(path: str | Path, backend: str = "auto") -> FrameSource:
    """Open a video file, a folder of images or an album of stills.

    Args:
        path: the file or folder.
        backend: "decord", "pyav", "torchcodec", "images", "album", or "auto": a folder is images, <name>.album an
            album, and a file is read by decord where that is installed, agrees with PyAV on the file and would not fill
            the memory, and by PyAV otherwise.

    Raises:
        VideoError: the file is missing, empty, not a video, or cannot be decoded.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if backend == "images" or (backend == "auto" and os.path.isdir(path)):
        return ImageFolderSource(path)
    if backend == "album" or (backend == "auto" and str(path).endswith(".album")):
        from facedeblur.video.album import AlbumSource

        return AlbumSource(path)
    if backend == "decord":
        return _open_decord(path)
    if backend == "torchcodec":
        from facedeblur.video.torchcodec_source import TorchcodecSource

        return TorchcodecSource(path)

    from facedeblur.video.pyav_source import PyAVSource

    source = PyAVSource(path)
    if backend == "auto" and has_decord() and suits_decord(source.declared_frames, source.width, source.height):
        try:
            faster = _open_decord(path)
            if _agree(faster, source):
                return faster
        except VideoError:
            pass  # what is wrong with the file for both, PyAV will say
    return source


def _open_decord(path: str | Path) -> DecordSource:
    from facedeblur.video.decord_source import DecordSource

    return DecordSource(path)


def _agree(decord: DecordSource, pyav: PyAVSource) -> bool:
    """Whether decord starts at the right frame and expects the right number: in some files it does neither."""
    if decord.declared_frames != len(pyav.packet_times()):
        return False
    return all(np.array_equal(decord.first_frame(), frame) for frame in pyav.frames(0, 1))
