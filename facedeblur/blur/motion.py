"""How a face moves through a window, read off its 68 landmarks: the cheap side of the VLA stop conditions."""

from __future__ import annotations

import numpy as np

PARTS = {"right eye": slice(36, 42), "left eye": slice(42, 48), "nose": slice(27, 36), "mouth": slice(48, 68)}


def part_boxes(landmarks: np.ndarray) -> np.ndarray:
    """Tight boxes (x0, y0, x1, y1) of eyes, nose and mouth: landmarks (..., 68, 2) to (..., 4, 4)."""
    boxes = [
        np.concatenate([landmarks[..., part, :].min(-2), landmarks[..., part, :].max(-2)], -1)
        for part in PARTS.values()
    ]
    return np.stack(boxes, -2)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4), one pixel added to each side length so that none is empty."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.prod(np.maximum(high - low + 1, 0), -1)
    return shared / (np.prod(a[..., 2:] - a[..., :2] + 1, -1) + np.prod(b[..., 2:] - b[..., :2] + 1, -1) - shared)


class FaceMotion:
    """The landmarks (F, 68, 2) of one segment, seen from the first frame of the window that is growing."""

    def __init__(self, landmarks: np.ndarray) -> None:
        self.frames = len(landmarks)
        self._landmarks = np.asarray(landmarks, np.float32)
        self._boxes = part_boxes(self._landmarks)
        self._size = np.maximum(np.ptp(self._landmarks, axis=1).max(-1), 1.0)
        self._centres = self._landmarks.mean(1)
        self._start = 0
        self._farthest = 0.0

    def begin(self, start: int) -> None:
        """The next window starts at frame `start`."""
        self._start, self._farthest = start, 0.0

    def fails(self, last: int, jump: float, back: float) -> bool:
        """True when the face jumps between `last` - 1 and `last`, or has come back towards where it started.

        A step of the landmarks' mean longer than `jump` face sizes is a lost track or a cut, not motion. The distance
        travelled is the mean displacement of the landmarks from the window's first frame; once it falls more than
        `back` face sizes below its largest value so far the motion reverses or oscillates. Localiser jitter stays below
        that margin, so a still face is not taken for an oscillating one. Frames must come in order.
        """
        size = self._size[self._start]
        step = np.linalg.norm(self._centres[last] - self._centres[last - 1])
        travelled = np.linalg.norm(self._landmarks[last] - self._landmarks[self._start], axis=-1).mean()
        self._farthest = max(self._farthest, float(travelled))
        return bool(step > jump * size or self._farthest - travelled > back * size)

    def parts_apart(self, last: int, threshold: float, parts: int) -> bool:
        """True unless the parts of the first frame and of `last` overlap: mean IoU and number of overlapping parts."""
        iou = box_iou(self._boxes[self._start], self._boxes[last])
        return bool(iou.mean() < threshold or np.count_nonzero(iou) < parts)
