import numpy as np


def occlude(
    blurry: np.ndarray, sharp: np.ndarray, landmarks: np.ndarray, generator: np.random.Generator, share: float = 0.25
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An augmentation: a grey square over both images, uint8 (S, S, 3); landmarks (68, 2) stay where they are."""
    size = sharp.shape[0]
    side = int(share * size)
    x, y = generator.integers(0, size - side + 1, 2)
    blurry, sharp = blurry.copy(), sharp.copy()
    blurry[y : y + side, x : x + side] = sharp[y : y + side, x : x + side] = 128
    return blurry, sharp, landmarks
