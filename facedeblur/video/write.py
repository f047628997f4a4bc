"""Write frames to an H.264 file."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from facedeblur.files import write_atomic


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float = 25.0,
    crf: int = 16,
    preset: str = "veryfast",
    threads: int = 1,
) -> int:
    """Encode frames as H.264 (yuv420p).

    The file appears under its name only when it is complete. H.264 with halved chroma wants even sides: an odd last row
    or column is repeated once.

    Args:
        path: of the file, an MP4.
        frames: RGB uint8 (H, W, 3), all of one size.
        fps: frames per second.
        crf, preset: quality (less is better) and speed, as of x264.
        threads: of the encoder; one, so that the same frames give the same file on every machine; 0 takes all cores.

    Returns:
        How many frames there were.

    Raises:
        ValueError: an empty sequence, or a frame of another shape or type than RGB uint8 or the first frame's.
    """
    path = Path(path)
    count = 0

    def encode(temporary: Path) -> None:
        nonlocal count
        count = _encode(temporary, path, frames, fps, threads, {"crf": str(crf), "preset": preset})

    write_atomic(path, encode)
    return count


def _encode(
    temporary: Path, path: Path, frames: Iterable[np.ndarray], fps: float, threads: int, options: dict[str, str]
) -> int:
    import av

    count, shape = 0, None
    with av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = threads
        for frame in frames:
            shape = shape or frame.shape
            _check(path, frame, shape, count)
            if count == 0:
                stream.height, stream.width = (side + side % 2 for side in shape[:2])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even(frame), format="rgb24")))
            count += 1
        if count == 0:
            raise ValueError(f"{path}: no frames to write")
        container.mux(stream.encode())
    return count


def _check(path: Path, frame: np.ndarray, shape: tuple[int, ...], index: int) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"{path}: frame {index} must be RGB uint8 (H, W, 3), got {frame.dtype} {frame.shape}")
    if frame.shape != shape:
        raise ValueError(f"{path}: frame {index} has shape {frame.shape}, the first had {shape}")


def even(frame: np.ndarray) -> np.ndarray:
    """The frame (H, W, C) with an odd last row or column repeated once, since halved chroma wants even sides."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
