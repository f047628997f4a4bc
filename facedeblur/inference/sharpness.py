"""How blurred a face looks, without knowing it sharp: the perceptual blur metric of Crété et al. (2007).

The metric asks how much neighbouring differences shrink when the picture is blurred once more; motion in one direction
is enough to raise it, since it takes the worse of rows and columns.
"""

from __future__ import annotations

import cv2
import numpy as np

from facedeblur.faces.crop import resize

REBLUR = 11  # pixels over which the picture is blurred once more
SIZE = 128  # faces are judged at this size, whatever the network's

# Of 127 sharp frames of 11 people 26 % lie below 0.44 and 65 % below 0.46; of averages under 27 dB none does. The
# default weights change each of these frames by less than 0.3 of a grey level, so the thresholds lie low: 0.46 and 0.52
# cost 0.04 dB on average, up to 1.2 where the blur is weak, and spared none of 53 windows any harm.
SHARP = 0.45
BLURRED = 0.48
# Enlarging alone blurs. Of sharp frames reduced to 96, 64, 48 and 32 pixels and enlarged to 128 again the metric is
# higher by 0.03, 0.05, 0.10 and 0.17: about this much for every time their size has been added.
ENLARGED = 0.055


def blur_of(face: np.ndarray) -> float:
    """0 for the sharpest, 1 for the most blurred face; (size, size, 3) float32 in [0, 1].

    As `skimage.measure.blur_effect(grey, h_size=11)`, in a tenth of its time: every face of every frame is asked.
    """
    grey = cv2.cvtColor(resize(face, SIZE), cv2.COLOR_RGB2GRAY)
    blurs = []
    for axis in (0, 1):
        window = (1, REBLUR) if axis == 0 else (REBLUR, 1)
        again = cv2.blur(grey, window, borderType=cv2.BORDER_REFLECT)
        before, after = (np.abs(_slope(image, axis))[2:-1, 2:-1] for image in (grey, again))
        total = float(before.sum())
        blurs.append(1 - float(np.maximum(before - after, 0).sum()) / total if total else 1.0)
    return max(blurs)


def _slope(image: np.ndarray, axis: int) -> np.ndarray:
    return cv2.Sobel(image, cv2.CV_32F, axis, 1 - axis, borderType=cv2.BORDER_REFLECT)


def blend_weight(face: np.ndarray, side: int) -> float:
    """The share of its correction that a face gets: 0 where it is sharp, 1 where it is blurred, no jump between.

    Args:
        face: (size, size, 3) float32 in [0, 1], as the network is given it.
        side: of the crop in the picture, in pixels; what enlarging a small one adds to its blur is not held against it.
    """
    blur = blur_of(face) - ENLARGED * max(SIZE / side - 1, 0)
    return float(np.clip((blur - SHARP) / (BLURRED - SHARP), 0, 1))
