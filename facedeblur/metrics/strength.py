"""How strong a blur is, by PSNR(blurred, sharp): the lower, the stronger. Windows fall into quarters of their set."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

PSNR_CAP = 60.0  # dB; images that are nearer to one another than that count as equal


def quartiles(psnr: ArrayLike) -> list[float]:
    """The three values, in dB, between the quarters of all of `psnr` (N,)."""
    return np.quantile(np.asarray(psnr, np.float64), (0.25, 0.5, 0.75)).tolist()


def quarters(psnr: ArrayLike, cuts: list[float]) -> np.ndarray:
    """(N,) int: the quarter of each value, 0 the strongest blur; -1 for NaN. On a cut it is the stronger one."""
    psnr = np.asarray(psnr, np.float64)
    return np.where(np.isnan(psnr), -1, np.searchsorted(cuts, psnr, side="left"))
