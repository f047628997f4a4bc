"""Small H.264 clips and a plan over them, with every decoded frame at hand as the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedeblur.data.plans.plan import Plan
from facedeblur.video.write import write_video

WIDTH, HEIGHT, FRAMES = 80, 60, 45


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


def moving_frames(seed: int, count: int = FRAMES) -> list[np.ndarray]:
    """A smooth random texture that drifts, so that every frame differs from the others."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT * 3, WIDTH * 3, 3), np.uint8), (0, 0), 2.0)
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
