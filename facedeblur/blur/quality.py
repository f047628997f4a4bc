"""How strong a blur is: PSNR and SSIM of the blurry crop against the sharp one, on luminance at 256 px."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from facedeblur.blur.averages import average
from facedeblur.blur.kernels import apply_kernel
from facedeblur.blur.response import Response, identity
from facedeblur.faces.crop import CropBox, crop, resize
from facedeblur.metrics.strength import PSNR_CAP

MEASURE_SIZE = 256  # pixels; one plan serves every training scale


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB, at most 60."""
    error = cv2.norm(a, b, cv2.NORM_L2SQR) / a.size
    return PSNR_CAP if error == 0 else min(PSNR_CAP, 10 * float(np.log10(255.0**2 / error)))


def ssim(a: np.ndarray, b: np.ndarray, workspace: np.ndarray | None = None) -> float:
    """Structural similarity of two (H, W) uint8 images (Wang et al. 2004): Gaussian window 11, sigma 1.5.

    Constants .01 and .03, population covariance, mean over the windows that lie inside the image, as
    `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`.
    `workspace`: (8, H, W) float32 scratch; who calls often keeps one, as fresh memory costs more than the arithmetic.
    """
    workspace = np.empty((8, *a.shape), np.float32) if workspace is None else workspace
    raw, blurred = workspace[:4], workspace[4:]
    # With p = a + b and m = a - b the formula needs four filters instead of five; each of its four terms comes out
    # doubled, and so do the constants: p ** 2 - m ** 2 = 2 (2 a b), p ** 2 + m ** 2 = 2 (a ** 2 + b ** 2).
    cv2.add(a, b, dst=raw[0], dtype=cv2.CV_32F)
    cv2.subtract(a, b, dst=raw[1], dtype=cv2.CV_32F)
    np.multiply(raw[:2], raw[:2], out=raw[2:])
    for source, target in zip(raw, blurred, strict=True):
        cv2.GaussianBlur(source, (11, 11), 1.5, dst=target)
    p, m, p_squared, m_squared = blurred
    blurred[:2] *= blurred[:2]
    luminance, power, structure, variance = raw
    np.subtract(p, m, out=luminance)
    np.add(p, m, out=power)
    np.subtract(p_squared, m_squared, out=structure)
    np.add(p_squared, m_squared, out=variance)
    structure -= luminance
    variance -= power
    raw[:2] += 2 * (0.01 * 255) ** 2
    raw[2:] += 2 * (0.03 * 255) ** 2
    luminance *= structure
    power *= variance
    return float((luminance[5:-5, 5:-5] / power[5:-5, 5:-5]).mean())


def quantised(image: np.ndarray) -> np.ndarray:
    """Float image in [0, 255] to the nearest uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def blur_quality(blurry: np.ndarray, sharp: np.ndarray) -> tuple[float, float]:
    """(psnr, ssim) of two luminance images (256, 256) uint8."""
    return psnr(blurry, sharp), ssim(blurry, sharp)


def average_quality(crops: Sequence[np.ndarray], response: Response = identity) -> tuple[float, float]:
    """(psnr, ssim) of the mean of an odd number of luminance crops (side, side) uint8 against the middle one."""
    blurry = quantised(resize(average(crops, response), MEASURE_SIZE))
    return blur_quality(blurry, resize(crops[len(crops) // 2], MEASURE_SIZE))


def kernel_quality(sharp: np.ndarray, kernel: np.ndarray, response: Response = identity) -> tuple[float, float]:
    """(psnr, ssim) of a luminance crop (side, side) uint8 blurred with `kernel` at 256 px, without noise."""
    sharp = resize(sharp, MEASURE_SIZE)
    return blur_quality(quantised(response.encode(apply_kernel(response.decode(sharp), kernel))), sharp)


class WindowQuality:
    """PSNR and SSIM of the averages of windows of one segment.

    `frame(i)`: luminance (H, W) uint8 of frame i, or of one fixed region of all frames; `box(i)`: crop box of frame i
    in the same coordinates; `response`: the curve under which light is averaged. A window that contains the one
    measured before it extends its sum, so a growing window costs one addition and one comparison per step.
    """

    def __init__(
        self,
        frame: Callable[[int], np.ndarray],
        box: Callable[[int], CropBox],
        response: Response = identity,
    ) -> None:
        self._frame, self._box, self._response = frame, box, response
        self._start = self._stop = 0
        self._sum: np.ndarray | None = None
        self._workspace = np.empty((8, MEASURE_SIZE, MEASURE_SIZE), np.float32)
        self._known: dict[tuple[int, int], tuple[float, float]] = {}

    def measure(self, start: int, stop: int) -> tuple[float, float]:
        """(psnr, ssim) of the mean of frames [start, stop) against the middle one, on the middle one's crop."""
        if (start, stop) not in self._known:
            self._extend(start, stop)
            middle = (start + stop) // 2
            box = self._box(middle)
            light = crop(self._sum, box) / np.float32(stop - start)
            blurry = quantised(resize(self._response.encode(light), MEASURE_SIZE))
            sharp = resize(crop(self._frame(middle), box), MEASURE_SIZE)
            self._known[start, stop] = psnr(blurry, sharp), ssim(blurry, sharp, self._workspace)
        return self._known[start, stop]

    def ssim(self, start: int, stop: int) -> float:
        """The second value of `measure`."""
        return self.measure(start, stop)[1]

    def _extend(self, start: int, stop: int) -> None:
        if self._sum is None or not (start <= self._start and self._stop <= stop):
            self._sum = np.zeros(self._frame(start).shape, np.float32)
            self._start = self._stop = start
        for index in [*range(start, self._start), *range(self._stop, stop)]:
            image = self._frame(index)
            cv2.accumulate(image if self._response == identity else self._response.decode(image), self._sum)
        self._start, self._stop = start, stop
