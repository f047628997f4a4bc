"""Changed pictures back into the form that a video stores, and only where they changed.

A decoded frame holds luminance, and colour at half the size; pictures hold RGB. The way there and back costs rounding,
half of the colour's sharpness and more time than all else that is done with a large frame around its faces. So it is
gone for the smallest rectangle that changed; around it the decoded frame stays as it was, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facedeblur.images import changed_part

# swscale's filters reach so far beyond a pixel; colour is stored for two by two pixels.
MARGIN = 4

_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # AVColorSpace -> swscale's number of the same matrix


def converted(picture: np.ndarray, pixels: str, matrix: int, spread: int) -> Any:
    """RGB uint8 (H, W, 3) of even sides as a frame of PyAV, its `pixels` a format of planes.

    Args:
        picture: of any strides.
        pixels: FFmpeg's name, "yuv420p" or "yuvj420p".
        matrix, spread: AVFrame's colour matrix and range; 0 and 2 say nothing of them.
    """
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    matrix = _SWSCALE.get(matrix)
    return frame.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=spread or None)


def recoded(decoded: Any, picture: np.ndarray, matrix: int, spread: int) -> Any | None:
    """A copy of a `decoded` frame of 8-bit 4:2:0 that shows `picture` where that differs from what it showed.

    Arguments as for `converted`; None where `decoded` is of another form or size than the picture is to be stored in.
    """
    if decoded.format.name not in ("yuv420p", "yuvj420p") or (decoded.height, decoded.width) != picture.shape[:2]:
        return None
    if decoded.colorspace != matrix or decoded.color_range != spread or decoded.height % 2 or decoded.width % 2:
        return None
    frame = _copy(decoded)
    part = changed_part(decoded.to_ndarray(format="rgb24", threads=1), picture)
    if part is not None:
        rows, columns = (_widened(axis, length) for axis, length in zip(part, picture.shape, strict=False))
        patch = converted(picture[rows, columns], decoded.format.name, matrix, spread)
        for number, (plane, other) in enumerate(zip(_planes(frame), _planes(patch), strict=True)):
            half = 2 if number else 1
            plane[rows.start // half : rows.stop // half, columns.start // half : columns.stop // half] = other
    return frame


def _widened(part: slice, length: int) -> slice:
    """With a margin and of even ends, within an even `length`."""
    return slice(max(part.start - MARGIN, 0) // 2 * 2, min((part.stop + MARGIN + 1) // 2 * 2, length))


def _copy(frame: Any) -> Any:
    """The same pixels; nothing else that the frame says, such as what kind of picture it was in its file."""
    import av

    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    for to, given in zip(_planes(copy), _planes(frame), strict=True):
        to[:] = given
    return copy


def _planes(frame: Any) -> list[np.ndarray]:
    """Views of a frame's planes, (height, width) uint8 each, without what pads their rows."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]
