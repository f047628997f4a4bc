"""The frames that unfinished windows still need: luminance only, cropped to where the faces of the shot are."""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.faces.crop import CropBox, crop_box
from facedeblur.faces.track import FaceTrack


class FrameBuffer:
    """Frames of one video by index; they are added in order and forgotten from the oldest on.

    A segment (frames of one shot without a gap) has one region, the part of the frame that its crop boxes cover, so
    that crops from different frames of it can be averaged.
    """

    def __init__(self, track: FaceTrack, width: int, height: int) -> None:
        self.boxes = {int(i): crop_box(track.landmarks[i]) for i in np.flatnonzero(track.valid)}
        self._regions: dict[int, tuple[int, int, int, int]] = {}
        for start, stop in track.segments():
            region = _cover([self.boxes[i] for i in range(start, stop)], width, height)
            self._regions.update(dict.fromkeys(range(start, stop), region))
        self._frames: dict[int, np.ndarray] = {}
        self._oldest = 0

    def add(self, index: int, frame: np.ndarray) -> None:
        """Keep frame `index`, RGB uint8 (H, W, 3); one without a face is not kept."""
        if index in self._regions:
            x0, y0, x1, y1 = self._regions[index]
            self._frames[index] = cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)

    def forget(self, before: int) -> None:
        """Drop the frames before index `before`."""
        for index in range(self._oldest, before):
            self._frames.pop(index, None)
        self._oldest = max(self._oldest, before)

    def __getitem__(self, index: int) -> np.ndarray:
        """Luminance uint8 of the region of frame `index`."""
        return self._frames[index]

    def __len__(self) -> int:
        return len(self._frames)

    def local_box(self, index: int) -> CropBox:
        """Crop box of frame `index` in coordinates of its region. Where it leaves the region the frame ends too, so
        replicated borders are the same."""
        box, (x0, y0, _, _) = self.boxes[index], self._regions[index]
        return CropBox(box.x - x0, box.y - y0, box.side)

    def area(self, index: int) -> int:
        """Pixels, and bytes, that frame `index` takes."""
        x0, y0, x1, y1 = self._regions[index]
        return (x1 - x0) * (y1 - y0)


def _cover(boxes: list[CropBox], width: int, height: int) -> tuple[int, int, int, int]:
    """The smallest rectangle (x0, y0, x1, y1) inside the frame that holds what the boxes show of it."""
    x0 = min(max(0, min(box.x for box in boxes)), width - 1)
    y0 = min(max(0, min(box.y for box in boxes)), height - 1)
    x1 = max(x0 + 1, min(width, max(box.x + box.side for box in boxes)))
    y1 = max(y0 + 1, min(height, max(box.y + box.side for box in boxes)))
    return x0, y0, x1, y1
