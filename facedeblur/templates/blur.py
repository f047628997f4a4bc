import cv2
import numpy as np


def defocus(sharp: np.ndarray, seed: int, landmarks: np.ndarray, radius: float = 4.0) -> np.ndarray:
    """A blur schedule: one sharp crop (S, S, 3) or (S, S) in [0, 255] to its blurry partner, by the seed alone.

    `radius` is in pixels of a 128 px image and varies by half; `landmarks` are (68, 2) in pixels of the crop.
    """
    radius = radius * sharp.shape[0] / 128 * np.random.default_rng(seed).uniform(0.5, 1.5)
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(sharp.astype(np.float32), -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)
