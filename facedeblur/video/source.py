"""What a video is to the rest of the package: an ordered supply of RGB frames.

Everything above this folder speaks to a `FrameSource`; which library decodes the file behind it is decided here, once.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import stat
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from facedeblur.files import shown

if TYPE_CHECKING:
    from facedeblur.video.decord_source import DecordSource
    from facedeblur.video.pyav_source import PyAVSource

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
BACKENDS = ("auto", "decord", "pyav", "torchcodec", "images", "album")
DEFAULT_FPS = 25.0

Span = tuple[int, int | None]  # of frames: the first, and the one after the last or None for all that follow

# decord decodes ahead of a slow reader without bound, so at worst a whole video lies in memory. Longer ones go to PyAV,
# which decodes on demand and costs about a fifth more time.
DECORD_MAX_BYTES = 512 * 2**20


class VideoError(RuntimeError):
    """A video that cannot be used. `str()` is one line, whatever the name holds: ``<path>: <reason>``."""

    def __init__(self, path: str | Path, reason: str):
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.reason}"


class FrameSource(Protocol):
    """An open video. Sizes are in pixels; `fps` is the average rate in frames per second."""

    width: int
    height: int
    fps: float
    backend: str

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield frames `start <= index < stop` in order as RGB uint8 (H, W, 3), each owned by the caller.

        Ends early, without an error, where the video does. Every call is a fresh pass over the video.
        """

    def stretches(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (index, frame) for the frames of `spans`, which ascend and do not overlap, in one pass.

        Frames between them are passed over in the cheapest way that the source has. Ends early as `frames` does.
        """

    def close(self) -> None:
        """Release the decoders of all unfinished passes."""

    def __enter__(self) -> FrameSource: ...

    def __exit__(self, *exc: object) -> None: ...


def natural_order(name: str) -> list[tuple[int, str]]:
    """Sort key that reads digits as numbers: "0.9.jpg" before "0.10.jpg"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


class PassSource:
    """Base of the sources here: subclasses write `_read`, a generator holding its decoder in a ``try ... finally``."""

    width: int
    height: int
    fps: float
    backend: str

    def __init__(self) -> None:
        # Weak: a pass that its reader dropped half-way must free its decoder at once, not when the source goes.
        self._passes: weakref.WeakSet[Iterator[np.ndarray]] = weakref.WeakSet()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        if start < 0:
            raise ValueError(f"start: must not be negative, got {start}")
        frames = self._read(start, stop)
        self._passes.add(frames)
        return frames

    def stretches(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        found = self._stretches(spans)
        self._passes.add(found)
        return found

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        """Whether a fresh pass from frame `start` costs less than reading on to it from frame `position`."""
        return False  # a fresh pass reads what comes before and throws it away

    def _stretches(self, spans: Sequence[Span]) -> Iterator[tuple[int, np.ndarray]]:
        """Reads on, or jumps where that is cheaper."""
        index, end = spans[0][0], spans[-1][1]
        frames = self.frames(index, end)
        for start, stop in spans:
            if self.is_jump_cheaper(index, start):
                frames.close()
                index, frames = start, self.frames(start, end)
            while stop is None or index < stop:
                if (frame := next(frames, None)) is None:
                    return
                if index >= start:
                    yield index, frame
                index += 1

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        for frames in list(self._passes):
            frames.close()

    def __enter__(self) -> PassSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class ArraySource(PassSource):
    """Frames already in memory: a sequence of RGB uint8 (H, W, 3), or one array (F, H, W, 3)."""

    backend = "array"

    def __init__(self, frames: Sequence[np.ndarray] | np.ndarray, fps: float = DEFAULT_FPS):
        super().__init__()
        if not len(frames):
            raise ValueError("frames: at least one is needed, got none")
        self._frames = frames
        self.height, self.width = frames[0].shape[:2]
        self.fps = fps

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        return start > position

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for frame in self._frames[start:stop]:
            yield frame.copy()


class ImageFolderSource(PassSource):
    """A folder of images, in the order of their names (10 after 9), all of the size of the first."""

    backend = "images"

    def __init__(self, path: str | Path, fps: float = DEFAULT_FPS):
        super().__init__()
        self._folder = Path(path)
        images = [file for file in self._folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        self._files = sorted(images, key=lambda file: natural_order(file.name))
        if not self._files:
            raise VideoError(path, "no images in this folder")
        self.height, self.width = self._load(self._files[0]).shape[:2]
        self.fps = fps

    def _load(self, file: Path) -> np.ndarray:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise VideoError(file, "cannot be decoded")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def is_jump_cheaper(self, position: int, start: int) -> bool:
        return start > position

    def _read(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for file in self._files[start:stop]:
            image = self._load(file)
            if image.shape[:2] != (self.height, self.width):
                raise VideoError(file, f"size {image.shape[1]}x{image.shape[0]}, expected {self.width}x{self.height}")
            yield image


def check_file(path: str | Path) -> None:
    """Raise `VideoError` for a file that no decoder needs to be asked about."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise VideoError(shown(path), "its name is not UTF-8; rename it") from None
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise VideoError(path, "file not found") from None
    except OSError as error:
        looped = error.errno == errno.ELOOP
        raise VideoError(
            path, "a symbolic link to itself" if looped else f"cannot be read ({error.strerror})"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(path, "not a file")
    if not os.access(path, os.R_OK):
        raise VideoError(path, "no permission to read it")
    if status.st_size == 0:
        raise VideoError(path, "empty file")


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
