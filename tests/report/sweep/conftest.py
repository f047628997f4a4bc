"""A sweep's folder as training leaves it, with scores that are known beforehand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

SIDE = 32
VIDEOS = 8
GAINS = {"final": 1.0, "no_identity": 0.0, "identity_nohg": 0.98}  # dB over what all share


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def rows(gain: float, seed: int, cache: str) -> list[dict]:
    """Two windows a video and blur; a variant adds `gain`, a seed +-0.05 dB, each video a little of its own."""
    made = []
    for video in range(VIDEOS):
        noise = 0.02 * np.cos(7 * video + 50 * gain)
        for schedule, start in (("vla", 0), ("pravg", 9)):
            blurred = 20.0 + video + (schedule == "pravg")
            row = {"corpus": "A", "identity": f"id{video // 2}", "video": f"{cache}/val/id{video // 2}/{video}.mp4"}
            row |= {"schedule": schedule, "start": start, "length": 9, "reverse": False, "blurred_psnr": blurred}
            row |= {"blurred_ssim": 0.7, "deblurred_psnr": blurred + gain + noise + 0.05 * (2 * seed - 1)}
            made.append(row | {"deblurred_ssim": 0.7 + gain / 100})
    return made


def preview(tone: int) -> np.ndarray:
    """blurred | hourglass | deblurred | sharp | error, two faces, under a header."""
    columns = [np.full((2 * SIDE, SIDE, 3), value, np.uint8) for value in (90, 100, tone, 200, 0)]
    body = np.concatenate(columns, axis=1)
    return np.concatenate([np.full((22, body.shape[1], 3), 255, np.uint8), body])


@pytest.fixture
def run_folder():
    """`run_folder(path, variant, seed, tone=..., **config)` writes a finished run."""

    def make(path: Path, variant: str, seed: int, gain: float = 0.0, tone: int = 150, **config) -> None:
        sweep = {"name": "ablations", "variant": variant, "reference": "final"}
        plain = {"experiment": variant, "seed": seed, "sweep": sweep, "model": {"image_size": SIDE}} | config
        write(path / "config.yaml", yaml.safe_dump(plain))
        write(path / "status.json", {"state": "done", "started": "2026-01-01T10:00:00", "ended": "2026-01-01T10:01:00"})
        write(path / "job.json", {"slot": f"gpu {seed}", "started": 100.0, "ended": 160.0, "state": "done"})
        write(path / "validation_rows.json", rows(gain, seed, f"/cache{seed}"))
        write(path / "metrics.csv", f"step,val/psnr,train/g_content_image\n10,{20 + gain},0.4\n20,{21 + gain},\n30,tor")
        attempt = {"seconds": 50.0, "images": 1000, "peak_memory_mb": 400.0, "peak_gpu_memory_mb": None}
        write(path / "cost.json", [attempt, attempt | {"images": 500, "peak_memory_mb": 300.0}])
        cv2.imwrite(str(path / "preview.png"), preview(tone))

    return make


@pytest.fixture
def sweep_folder(tmp_path, run_folder) -> Path:
    """Three variants x two seeds done; one failed, one killed, one waiting."""
    folder = tmp_path / "outputs" / "ablations"
    for tone, (variant, gain) in enumerate(GAINS.items(), start=120):
        for seed in (0, 1):
            run_folder(folder / variant / f"s{seed}", variant, seed, gain, tone)
    failed = {"state": "failed", "reason": "ValueError: <bad>", "traceback": "Traceback\nValueError: <bad>"}
    write(folder / "broken" / "s0" / "status.json", failed)
    write(folder / "broken" / "s0" / "job.log", "first line\nlast words")
    dead = {"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() - 1000, "step": 7}
    write(folder / "broken" / "s1" / "status.json", dead)
    jobs = [{"folder": f"{variant}/s{seed}"} for variant in (*GAINS, "broken") for seed in (0, 1)]
    write(folder / "sweep.json", {"jobs": [*jobs, {"folder": "late/s0", "title": "late", "overrides": []}]})
    return folder
