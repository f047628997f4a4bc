"""Small H.264 clips, plans over them and stored frames of them, with every decoded frame at hand as the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedeblur.data.frames.index import FaceRun, FrameIndex
from facedeblur.data.frames.store import FrameStore, open_frames
from facedeblur.data.frames.tiles import TileSettings
from facedeblur.data.plans.plan import Plan
from facedeblur.faces.crop import crop_box
from facedeblur.video.write import write_video

WIDTH, HEIGHT, FRAMES = 80, 60, 45
TILE_SIZE = 16  # side of the images that the stored frames are for


@dataclass(frozen=True)
class ClipSet:
    """`frames`: all frames of each video, uint8 (F, H, W, 3), as decord decodes them."""

    plan: Plan
    frames: dict[str, np.ndarray]


def plan_row(video: str | Path, start: int, length: int, **values: object) -> dict:
    """A row of a plan with plausible defaults."""
    row = {
        "corpus": "A", "identity": "id", "split": "train", "video": str(video), "backend": "decord",
        "schedule": "pravg", "response": "identity", "start": start, "length": length, "reverse": False,
        "kernel_seed": -1, "x": 8, "y": 4, "side": 40, "psnr": 30.0, "ssim": 0.9, "shot": 0, "stop": "length",
        "landmarks": np.stack([np.linspace(10, 40, 68), np.linspace(8, 36, 68)], axis=1),
    }  # fmt: skip
    assert not set(values) - set(row), "unknown column"
    return row | values


def moving_frames(seed: int, count: int = FRAMES, sigma: float = 2.0) -> list[np.ndarray]:
    """A random texture, smooth over `sigma` pixels, that drifts, so that every frame differs from the others."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT * 3, WIDTH * 3, 3), np.uint8), (0, 0), sigma)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    steps = rng.uniform(-1.5, 2.5, (count, 2)).cumsum(axis=0).clip(0, 100).astype(int)
    return [np.ascontiguousarray(texture[y : y + HEIGHT, x : x + WIDTH]) for y, x in steps]


@pytest.fixture(scope="session")
def clip_set(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """Five clips of corpora A and B; windows of three lengths, overlapping, some boxes leaving the frame."""
    import decord

    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(7)
    rows, frames = [], {}
    for number in range(5):
        path = folder / f"clip_{number}.mp4"
        write_video(path, moving_frames(number))
        reader = decord.VideoReader(str(path), num_threads=1)
        frames[str(path)] = np.stack([reader.next().asnumpy() for _ in range(FRAMES)])
        for length in (3, 7, 11):
            for start in range(0, FRAMES - length + 1, 5):
                rows.append(
                    plan_row(
                        path, start, length, corpus="A" if number < 3 else "B", identity=f"id_{number}",
                        schedule="vla" if length == 11 else "pravg", reverse=start % 15 == 10,
                        x=int(rng.integers(-20, 30)), y=int(rng.integers(-15, 20)), side=int(rng.integers(18, 70)),
                        psnr=float(rng.uniform(20, 50)),
                    )
                )  # fmt: skip
    return ClipSet(Plan.from_rows(rows), frames)


@dataclass(frozen=True)
class Stored:
    """`frames`: of each video, uint8 (F, H, W, 3); `plan`: windows of lengths 1 (kernels), 5 and 9 of `runs`."""

    plan: Plan
    frames: dict[str, np.ndarray]
    runs: tuple[FaceRun, ...]
    index: FrameIndex
    settings: TileSettings

    def open(self, keep: str, cache, jobs: int = 1) -> FrameStore:
        return open_frames(self.index, self.settings, keep, cache, jobs)


def face(x: float, y: float, side: float) -> np.ndarray:
    """68 points whose crop box is about `side` wide and centred at (x, y)."""
    rng = np.random.default_rng(3)
    points = rng.random((68, 2))
    points = (points - points.min(0)) / np.ptp(points, axis=0) - 0.5
    return (np.array([x, y]) + points * side / 1.6).astype(np.float32)


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Stored:
    """Three clips, folders of images; in each a face that wanders from left to right, 36 to 44 pixels wide."""
    folder = tmp_path_factory.mktemp("clips")
    decoded: dict[str, np.ndarray] = {}
    for number in range(3):
        clip = folder / f"clip_{number}"
        clip.mkdir()
        decoded[str(clip)] = np.stack(moving_frames(number, sigma=5.0))
        for place, frame in enumerate(decoded[str(clip)]):
            cv2.imwrite(str(clip / f"{place}.png"), frame[..., ::-1])
    runs, rows = [], []
    for number, (video, frames) in enumerate(decoded.items()):
        points = np.stack([face(26 + 0.7 * i, 30 - 0.1 * i, 36 + 8 * np.sin(i / 9) ** 2) for i in range(len(frames))])
        runs.append(FaceRun(video, "images", "", 0, points))
        for length in (1, 5, 9):
            for start in range(0, len(frames) - length + 1, 7):
                box = crop_box(points[start + length // 2])
                rows.append(
                    dict(
                        corpus="AB"[number % 2], identity=f"id_{number}", split="train", video=video, backend="images",
                        schedule="trajectory" if length == 1 else f"pravg{length}", response="identity", start=start,
                        length=length, reverse=False, kernel_seed=start + 1 if length == 1 else -1, x=box.x, y=box.y,
                        side=box.side, psnr=30.0 - length, ssim=0.9, shot=0, stop="length",
                        landmarks=points[start + length // 2],
                    )
                )  # fmt: skip
    settings = TileSettings(TILE_SIZE, oversample=1.5, margin=1.5)
    return Stored(Plan.from_rows(rows), decoded, tuple(runs), FrameIndex.of(runs, settings), settings)


@pytest.fixture(scope="session")
def store(stored, tmp_path_factory) -> FrameStore:
    return stored.open("disk", tmp_path_factory.mktemp("store"))


@pytest.fixture
def without(store):
    """`without(video)` -> the store as it is where that video cannot be read."""
    return lambda video: replace(store, missing={video: "is gone"})
