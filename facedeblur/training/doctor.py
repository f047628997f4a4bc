"""`facedeblur doctor`: versions, devices, codecs, and one training step of the paper's networks on every device."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from facedeblur.cores import usable_cores
from facedeblur.errors import UsageError
from facedeblur.extras import need
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.training import hardware
from facedeblur.training.settings import TrainerSettings
from facedeblur.versions import versions
from facedeblur.video.codecs import backends

DEMO = {"image_size": 128, "base_width": 16, "hourglass_features": 64, "hourglass_stacks": 1}


def main(argv: list[str]) -> int:
    """Prints the report; returns 1 if a step on any device or the reading of a video fails, else 0."""
    argparse.ArgumentParser(prog="facedeblur doctor", description=__doc__.partition(": ")[2]).parse_args(argv)
    console = Console()
    for title, rows in (("versions", versions()), ("video", _codecs()), ("machine", _machine())):
        table = Table(title=title, title_justify="left", show_header=False)
        for name, value in rows.items():
            table.add_row(name, str(value))
        console.print(table)
    failures = 0
    table = Table(title="one adversarial training step at scale=demo, batch 8", title_justify="left")
    for column in ("device", "precision", "result"):
        table.add_column(column)
    for device, precision in _devices():
        try:
            need("a training step", "pytorch_lightning")
            seconds = _step(device, precision)
            table.add_row(device, precision, f"ok, {8 / seconds:.1f} img/s")
        except UsageError as error:
            table.add_row(device, precision, f"not tried: {error}")
        except Exception as error:  # whatever a driver throws belongs into the report
            failures += 1
            table.add_row(device, precision, f"FAILED: {type(error).__name__}: {error}")
    try:
        table.add_row("cpu", "-", f"video written and read back, {_video_frames_per_second():.0f} frames/s")
    except Exception as error:
        failures += 1
        table.add_row("cpu", "-", f"video FAILED: {type(error).__name__}: {error}")
    console.print(table)
    return 1 if failures else 0


def _codecs() -> dict[str, str]:
    found = dict(backends())
    try:
        from facedeblur.faces.dlib_models import DlibDetector

        DlibDetector()
        found["dlib faces"] = "ok"
    except Exception as error:
        found["dlib faces"] = str(error)
    return found


def _machine() -> dict[str, str]:
    cores = usable_cores()
    rows = {
        "cores": f"{cores}, {torch.get_num_threads()} threads",
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "cpu bf16": "native" if hardware.native_bf16("cpu") else "no (float32 is used)",
        "gpus": str(torch.cuda.device_count()) if torch.cuda.is_available() else "none visible",
        "disk free here": f"{shutil.disk_usage('.').free / 2**30:.0f} GB",
    }
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        p = torch.cuda.get_device_properties(i)
        rows[f"gpu {i}"] = f"{p.name}, {p.total_memory / 2**30:.0f} GB, compute {p.major}.{p.minor}"
    return rows


def _devices() -> list[tuple[str, str]]:
    found = [("cpu", "32")]
    if hardware.native_bf16("cpu"):
        found.append(("cpu", "bf16"))
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found += [(f"cuda:{i}", "32")] + ([(f"cuda:{i}", "bf16")] if hardware.native_bf16("cuda") else [])
    return found


def _step(device: str, precision: str) -> float:
    from facedeblur.training.estimate import seconds_per_batch
    from facedeblur.training.stages.adversarial import AdversarialStage

    stage = AdversarialStage(
        ModelSettings(**DEMO),
        LossWeights(),
        None,
        settings=TrainerSettings(epochs=1),
        planned_steps=1,
        batches_per_epoch=1,
        images_per_step=8,
        folder=Path("."),
    )
    return seconds_per_batch(stage, 8, DEMO["image_size"], device, precision)


def _video_frames_per_second() -> float:
    import numpy as np

    from facedeblur.video.open import open_source
    from facedeblur.video.write import write_video

    frames = [np.full((128, 128, 3), 4 * i, np.uint8) for i in range(50)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mp4"
        write_video(path, frames)
        begin = time.perf_counter()
        with open_source(path) as source:
            count = sum(1 for _ in source.frames())
        if count != len(frames):
            raise RuntimeError(f"wrote {len(frames)} frames, read {count}")
        return count / (time.perf_counter() - begin)
