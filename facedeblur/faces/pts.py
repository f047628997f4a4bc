"""Landmark files of 300-W, 300VW, Helen and their kin: `.pts` text, one "x y" line per point, first pixel at 1.

    version: 1
    n_points: 68
    {
    129.178 205.165
    ...
    }

Inside the package the first pixel's centre is at 0, as arrays have it: reading subtracts one, writing adds it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.files import write_atomic

POINTS = 68


class PtsError(UsageError):
    """A landmark file is missing, malformed, or has another number of points."""


def read_pts(path: str | Path, points: int | None = POINTS) -> np.ndarray:
    """The landmarks of one file.

    Args:
        points: how many there must be; None takes what is there.

    Returns:
        (points, 2) float32 pixels (x, y), 0-based: the file's 1-based coordinates less one.

    Raises:
        PtsError: one line naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PtsError(f"{path}: not a readable .pts file ({error})") from error
    header, opened, rest = text.partition("{")
    body, closed, _ = rest.partition("}")
    if not (opened and closed):
        raise PtsError(f"{path}: not a .pts file: no points between braces")
    try:
        found = np.array([[float(number) for number in line.split()] for line in body.strip().splitlines()], np.float64)
    except ValueError:  # a word that is no number, or lines of different lengths
        found = np.empty(0)
    if found.ndim != 2 or found.shape[1] != 2:
        raise PtsError(f'{path}: every line between the braces must be "x y"')
    if not np.isfinite(found).all():
        raise PtsError(f"{path}: a coordinate is not finite")
    promised = _promised(header)
    wanted = promised if points is None else points
    if wanted is not None and len(found) != wanted:
        raise PtsError(f"{path}: has {len(found)} points, {wanted} are wanted")
    return (found - 1).astype(np.float32)


def write_pts(path: str | Path, landmarks: np.ndarray) -> None:
    """Writes (n, 2) landmarks in 0-based pixels (x, y) as a `.pts` file, atomically."""
    lines = [f"{x:.3f} {y:.3f}" for x, y in np.asarray(landmarks, np.float64) + 1]
    write_atomic(Path(path), "\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}"]) + "\n")


def _promised(header: str) -> int | None:
    """The header's `n_points`, where it has one that is a number."""
    for line in header.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "n_points" and value.strip().isdigit():
            return int(value)
    return None
