import numpy as np


def moving(landmarks: np.ndarray, length: int = 9, reach: float = 0.02) -> list[tuple[int, int]]:
    """A choice of windows: (start, length) of the frames of one shot that are averaged, an odd number each.

    `landmarks` are (frames, 68, 2) in pixels. Here: windows in which the face gets on by `reach` of its size.
    """
    size = np.ptp(landmarks, axis=1).mean()
    centres = landmarks.mean(axis=1)
    starts = range(0, len(landmarks) - length + 1, length)
    return [(i, length) for i in starts if np.linalg.norm(centres[i + length - 1] - centres[i]) > reach * size]
