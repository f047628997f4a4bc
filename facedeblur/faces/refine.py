"""What is done to landmarks once a track is whole: smoothing over time, and how sharp the face is in every frame."""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.faces.crop import crop, crop_box, resize

WINDOW, DEGREE = 7, 2  # frames and degree of the polynomials
SHARPNESS_SIZE = 128  # pixels


def smoothed(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (n, 68, 2) of successive frames without the localiser's jitter, same shape, float32.

    A Savitzky-Golay filter: each point follows the parabola that fits its neighbours best, so that even, accelerated
    and turning motion stays where it is. Pieces shorter than the filter stay as they are.
    """
    if len(landmarks) < WINDOW:
        return landmarks
    from scipy.signal import savgol_filter

    return savgol_filter(landmarks, WINDOW, DEGREE, axis=0, mode="interp").astype(np.float32)


def sharpness(frame: np.ndarray, landmarks: np.ndarray) -> float:
    """Variance of the Laplacian of the face, its tight box resized to 128 px, luminance in [0, 255].

    Blur lowers it, and so does a face that had to be enlarged. `frame`: RGB uint8 (H, W, 3); `landmarks`: (68, 2).
    """
    box = crop_box(landmarks, scale=1.0)
    face = resize(cv2.cvtColor(np.ascontiguousarray(crop(frame, box)), cv2.COLOR_RGB2GRAY), SHARPNESS_SIZE)
    return float(cv2.Laplacian(face, cv2.CV_32F).var())
