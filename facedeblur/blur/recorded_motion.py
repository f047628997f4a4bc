"""Motion that was recorded: the landmarks of a video's face lead those of a photo, and the pixels between follow.

A photo of anybody then moves as people do: turns, nods and speaks at once, not evenly and not in a straight line. A
window of tracked landmarks is split into what an affine map of its middle frame explains, which moves the whole head,
and the rest, the face's own motion, which is spread around the landmarks. Not in the paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from facedeblur.blur.face_fields import face_box, head_mask, pixel_grid
from facedeblur.faces.mirror import MIRRORED_POINT
from facedeblur.files import NPZ_ERRORS, write_atomic

SPANS = (7, 9, 11, 13, 15, 21, 27, 35)  # frames of a window, each as likely
_FARTHEST = 0.16  # sides of the face that it may move from the middle frame; windows of longer ways are scaled down
_SMOOTH = np.array([1, 4, 6, 4, 1]) / 16  # over frames: detectors tremble by a fraction of a pixel
_PARTS = 6  # of the face's own motion that are kept, the strongest; the rest is mostly tremble
_REACH = 0.1  # sides of the face: standard deviation of a landmark's influence
_COARSE = 4  # pixels: the fields between landmarks are smooth, and computed on such a grid


@dataclass(frozen=True, eq=False)
class Recording:
    """Tracked landmarks, one run of consecutive frames after another.

    Attributes:
        landmarks: (N, 68, 2) float32, in sides of the face (of its run's median box).
        rows: (R + 1,) int64: run i are the frames [rows[i], rows[i + 1]).
    """

    landmarks: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, runs: Iterable[np.ndarray]) -> Recording:
        """From landmarks (n, 68, 2) in pixels; runs shorter than every window are left out.

        Raises:
            ValueError: none is left.
        """
        kept = [np.asarray(run, np.float64) for run in runs if len(run) >= SPANS[0]]
        if not kept:
            raise ValueError(f"no face is tracked over {SPANS[0]} frames")
        scaled = [run / np.median([face_box(points)[0] for points in run]) for run in kept]
        rows = np.cumsum([0, *(len(run) for run in kept)])
        return cls(np.concatenate(scaled).astype(np.float32), rows.astype(np.int64))

    def write(self, path: Path) -> None:
        """Atomically, as .npz."""

        def write(file: Path) -> None:
            with file.open("wb") as stream:
                np.savez_compressed(stream, landmarks=self.landmarks, rows=self.rows)

        write_atomic(path, write)

    @classmethod
    def read(cls, path: str | Path) -> Recording:
        """Raises ValueError naming a file that is not one."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                read = cls(stored["landmarks"], stored["rows"])
        except NPZ_ERRORS as error:
            raise ValueError(f"{path}: no recorded motion ({error}); `facedeblur motion` writes it") from None
        if read.landmarks.shape[1:] != (68, 2) or not np.isfinite(read.landmarks).all():
            raise ValueError(f"{path}: no recorded motion (landmarks of {read.landmarks.shape})")
        rows = read.rows
        lengths = np.diff(rows) if rows.ndim == 1 and rows.dtype.kind == "i" and len(rows) else np.zeros(0)
        if not lengths.size or (rows[0], rows[-1]) != (0, len(read.landmarks)) or lengths.min() < SPANS[0]:
            raise ValueError(
                f"{path}: no recorded motion (its rows do not part it into runs of {SPANS[0]} frames or more)"
            )
        return read

    def draw(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """The displacements of the landmarks against the middle of a random window, at `frames` moments of it.

        Windows are drawn in proportion to how far the face goes, forward or backward, mirrored or not; every other one
        goes another way than it was recorded.

        Returns:
            middle (68, 2) about its centre, and displacements (frames, 68, 2) that are 0 in the middle; in sides.
        """
        starts, chances = _windows(self, span := int(rng.choice(self._spans())))
        start = int(rng.choice(starts, p=chances))
        points = self.landmarks[start : start + span].astype(np.float64)
        padded = np.concatenate([points[:1], points[:1], points, points[-1:], points[-1:]])
        points = sum(weight * padded[i : i + span] for i, weight in enumerate(_SMOOTH))
        if rng.random() < 0.5:
            points = points[::-1]
        if rng.random() < 0.5:
            points = points[:, MIRRORED_POINT] * (-1, 1)
        at = np.linspace(0, span - 1, frames)
        low = np.minimum(at.astype(int), span - 2)
        part = (at - low)[:, None, None]
        points = (1 - part) * points[low] + part * points[low + 1]
        middle = points[frames // 2]
        moved = points - middle
        if rng.random() < 0.5:
            angle, shift = rng.uniform(0, 2 * np.pi), moved.mean(1, keepdims=True)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            moved = moved - shift + shift @ turn.T
        moved *= np.exp(rng.normal(0.05, 0.35))
        farthest = np.abs(moved.mean(1)).max()
        return middle - middle.mean(0), moved * min(1.0, _FARTHEST / max(farthest, 1e-9))

    def _spans(self) -> list[int]:
        longest = int(np.diff(self.rows).max())
        return [span for span in SPANS if span <= longest]


@lru_cache(maxsize=2)
def recording(path: str, content: str) -> Recording:
    """The recording in a file of this `content` (`content_of`), read once a process."""
    if (now := content_of(path)) != content:
        raise ValueError(f"{path}: recorded motion has changed ({now} instead of {content})")
    return Recording.read(path)


def content_of(path: str) -> str:
    """A short hash of a file. Raises ValueError naming a file that cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ValueError(f"{path}: no recorded motion ({error.strerror}); `facedeblur motion` writes it") from None


def recorded_path(
    rng: np.random.Generator, found: Recording, shape: tuple[int, int], points: np.ndarray, frames: int, camera: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A random window of a recording, for the face of a photo.

    Args:
        points: (68, 2) landmarks of the photo, in pixels.
        camera: all that is seen follows the head, not only its surroundings.

    Returns:
        amounts (frames, A) and fields (A, 2, H, W) float32: displacements in pixels are sums of fields by amounts.
    """
    middle, moved = found.draw(rng, frames)
    side, centre = face_box(points)
    about = np.column_stack([middle, np.ones(68)])
    affine = np.linalg.lstsq(about, moved.transpose(1, 0, 2).reshape(68, -1), rcond=None)[0].reshape(3, frames, 2)
    own = moved - np.einsum("pk,kfd->fpd", about, affine)
    left, strength, right = np.linalg.svd(own.reshape(frames, -1), full_matrices=False)
    parts = min(_PARTS, len(strength))
    amounts = np.column_stack([affine.transpose(1, 0, 2).reshape(frames, 6), left[:, :parts] * strength[:parts]])
    grid = pixel_grid(shape)
    away = grid - centre.astype(np.float32)[:, None, None]
    head = head_mask(away, side, camera)
    whole = [factor * head * axis for factor in (away[0], away[1], side) for axis in np.eye(2)[:, :, None, None]]
    shapes = side * right[:parts].reshape(parts, 68, 2).transpose(1, 0, 2).reshape(68, -1)
    spread = _spread(shape, points, side) @ shapes
    rows, columns = (-(-extent // _COARSE) for extent in shape)
    fine = cv2.resize(spread.reshape(rows, columns, -1).astype(np.float32), None, fx=_COARSE, fy=_COARSE)
    between = fine[: shape[0], : shape[1]].reshape(*shape, parts, 2).transpose(2, 3, 0, 1)
    return amounts.astype(np.float32), np.concatenate([np.stack(whole), between]).astype(np.float32)


def _spread(shape: tuple[int, int], points: np.ndarray, side: float) -> np.ndarray:
    """Influence of every landmark on the pixels of the coarse grid: (rows * columns, 68), fading away from the face."""
    rows, columns = (-(-extent // _COARSE) for extent in shape)
    y, x = np.mgrid[:rows, :columns] * _COARSE + (_COARSE - 1) / 2
    far = (x.ravel()[:, None] - points[:, 0]) ** 2 + (y.ravel()[:, None] - points[:, 1]) ** 2
    weights = np.exp(-far / (2 * (_REACH * side) ** 2))
    return weights / (weights.sum(1, keepdims=True) + 0.3)


@lru_cache(maxsize=2 * len(SPANS))
def _windows(found: Recording, span: int) -> tuple[np.ndarray, np.ndarray]:
    """The starts of all windows of `span` frames, and how likely each is."""
    centres = found.landmarks.mean(1)
    starts = np.concatenate([np.arange(a, b - span + 1) for a, b in zip(found.rows, found.rows[1:], strict=False)])
    way = np.linalg.norm(centres[starts + span - 1] - centres[starts], axis=1)
    chances = np.maximum(way, 0.005) ** 0.8
    return starts, chances / chances.sum()
