"""The average of Eq. 8: L sharp frames become one blurry image."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from facedeblur.blur.response import Response, identity


def average(frames: Iterable[np.ndarray], response: Response = identity) -> np.ndarray:
    """encode(mean(decode(frame))) of uint8 frames of one shape, float32 in [0, 255].

    Sums are kept in float32, exact for the integers of up to 65,536 frames. Raises ValueError for no frame.
    """
    total, count = None, 0
    for frame in frames:
        light = frame if response == identity else response.decode(frame)
        if total is None:
            total = np.zeros(light.shape, np.float32)
        cv2.accumulate(light, total)
        count += 1
    if total is None:
        raise ValueError("average: no frame to average")
    return response.encode(total / np.float32(count))
