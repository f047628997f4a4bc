"""Landmarks that come with a corpus: the formats they are written in, read into one array per clip.

<clip>.npz            array `landmarks`, (frames, 68, 2), 0-based pixels (x, y); NaN where there is no face
folder of .pts        one file per frame, named by its number from 1 on (300VW's `annot/000001.pts`), 1-based pixels
<clip>.txt            2MF2: one line per frame, 0-based pixels in menpo's order (y, x); see `read_menpo_text`
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facedeblur.faces.pts import PtsError, read_pts
from facedeblur.files import NPZ_ERRORS
from facedeblur.video.fingerprint import fingerprint
from facedeblur.video.source import VideoError

log = logging.getLogger(__name__)

POINTS = 68
SLACK = 5  # frames by which an annotation may be longer than what can be decoded


@dataclass(frozen=True)
class Annotation:
    """Where the landmarks of one clip are written down.

    Attributes:
        path: an .npz, a folder of .pts files, or a .txt of 2MF2.
        ignored: frames, counted from 0, whose landmarks are not to be trusted: they are read as frames without a face.
    """

    path: str
    ignored: tuple[int, ...] = ()

    def fingerprint(self) -> str:
        """Hash of content and ignored frames; "" where there is no such file."""
        content = fingerprint(self.path)
        if not content or not self.ignored:
            return content
        return hashlib.sha256(f"{content}{self.ignored}".encode()).hexdigest()[:24]

    def read(self, frames: int | None = None, declared: Callable[[], int] = lambda: 0) -> np.ndarray:
        """The landmarks, (F, 68, 2) float32 pixels (x, y), 0-based, NaN where there is no face.

        Args:
            frames: how many frames of the clip can be decoded; the annotation is fitted to them. A few surplus rows
                are dropped, missing ones are NaN.
            declared: how many the clip says it has, asked for a longer annotation: a clip that was cut short keeps the
                landmarks of what is left of it, which is logged.

        Raises:
            VideoError: naming the file, if it cannot be read, has another shape, or is longer than the whole video.
        """
        path = Path(self.path)
        if path.is_dir():
            landmarks = _read_pts_folder(path)
        elif path.suffix == ".txt":
            landmarks = read_menpo_text(path)
        else:
            landmarks = _read_npz(path)
        ignored = [frame for frame in self.ignored if frame < len(landmarks)]
        landmarks[ignored] = np.nan
        return landmarks if frames is None else _fitted(landmarks, frames, declared, path)


def annotation_path(video_path: str | Path) -> Path:
    """Where the annotation of a clip lies unless its corpus says otherwise: `<clip stem>.npz` beside it."""
    return Path(video_path).with_suffix(".npz")


def annotation_of(video_path: str | Path) -> Annotation:
    """The annotation beside a clip, whether it is there or not."""
    return Annotation(str(annotation_path(video_path)))


def menpo_frames(path: str | Path) -> int:
    """Frames that a landmark text of 2MF2 says its clip has. Raises VideoError naming the file."""
    try:
        with open(path, encoding="utf-8") as lines:
            return _menpo_header(next(lines, ""), Path(path))[0]
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError(path, f"landmark text cannot be read ({error})") from None


def read_menpo_text(path: str | Path) -> np.ndarray:
    """A landmark text as 2MF2 has them, (F, 68, 2) float32 (x, y); absent frames and frames of zeros are NaN.

        frame:<number of the first frame> TAB ... n_frames:<F> TAB ... n_landmarks:68
        <frame, from 0>::... TAB y0, x0, y1, x1, ... y67, x67

    Raises:
        VideoError: naming the file and line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VideoError(path, f"landmark text cannot be read ({error})") from None
    frames, points = _menpo_header(lines[0] if lines else "", path)
    if points != POINTS:
        raise VideoError(path, f"landmark text has {points} points a frame, {POINTS} are wanted")
    landmarks = np.full((frames, POINTS, 2), np.nan, np.float32)
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            frame = int(line[: line.index("::")])
            values = np.array([float(v) for v in line[line.index("\t") + 1 :].split(",") if v.strip()], np.float32)
            found = values.reshape(POINTS, 2)
        except ValueError:
            raise VideoError(path, f"line {number}: expected <frame>::...TAB and {2 * POINTS} numbers") from None
        if not 0 <= frame < frames:
            raise VideoError(path, f"line {number}: frame {frame} of {frames}")
        if found.any():
            landmarks[frame] = found[:, ::-1]
    return landmarks


def _menpo_header(line: str, path: Path) -> tuple[int, int]:
    """Frames and points per frame."""
    values = {}
    for field in line.split("\t"):
        name, _, value = field.strip().rpartition(":")
        values[name.split()[-1] if name else ""] = value
    try:
        return int(values["n_frames"]), int(values["n_landmarks"])
    except (KeyError, ValueError):
        raise VideoError(path, "line 1: expected n_frames:<F> and n_landmarks:<M> between tabs") from None


def _read_pts_folder(folder: Path) -> np.ndarray:
    files = {}
    for file in folder.glob("*.pts"):
        if not file.stem.isdigit() or int(file.stem) < 1:
            raise VideoError(file, "annotation files are named by their frame, from 000001.pts on")
        files[int(file.stem) - 1] = file
    landmarks = np.full((max(files, default=-1) + 1, POINTS, 2), np.nan, np.float32)
    for frame, file in files.items():
        try:
            landmarks[frame] = read_pts(file)
        except PtsError as error:
            raise VideoError(file, str(error).removeprefix(f"{file}: ")) from None
    return landmarks


def _read_npz(path: Path) -> np.ndarray:
    try:
        with np.load(path) as stored:
            landmarks = stored["landmarks"].astype(np.float32)
    except NPZ_ERRORS as error:
        raise VideoError(path, f"annotation without a readable array 'landmarks' ({error})") from None
    if landmarks.ndim != 3 or landmarks.shape[1:] != (POINTS, 2):
        raise VideoError(path, f"annotation 'landmarks' must have shape (frames, 68, 2), got {landmarks.shape}")
    return landmarks


def _fitted(landmarks: np.ndarray, frames: int, declared: Callable[[], int], path: Path) -> np.ndarray:
    if len(landmarks) > frames + SLACK:
        reason = f"annotation has {len(landmarks)} frames, the video {frames}"
        if len(landmarks) > declared() + SLACK:
            raise VideoError(path, reason)  # of another video
        log.warning(f"{path}: {reason}, which was cut short: the first {frames} are used")
    fitted = np.full((frames, POINTS, 2), np.nan, np.float32)
    fitted[: len(landmarks)] = landmarks[:frames]
    return fitted
