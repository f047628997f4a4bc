"""What a run cost: wall time, images per second and peak memory, added up over its attempts in cost.json."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.files import read_json, write_json

EVERY_SECONDS = 30.0  # a kill loses at most so much of the account


class Cost(Callback):
    """Keeps `cost.json`: a list of attempts, each with

    started (epoch seconds), seconds (of the training loop, its validations included),
    images (training pairs that passed, on all ranks),
    peak_memory_mb (resident set of this process), peak_gpu_memory_mb (allocated by torch; null on a CPU).
    """

    def __init__(self, folder: Path):
        self.path = Path(folder) / "cost.json"
        self.earlier = read_json(self.path, [])

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.began, self.clock, self.images = time.time(), time.monotonic(), 0
        self.written = self.clock

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if module.position["batch"] <= module.usable_batches:
            self.images += len(batch["meta"]) * trainer.world_size
        if time.monotonic() - self.written > EVERY_SECONDS:
            self._write(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._write(trainer, module)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        if hasattr(self, "clock"):
            self._write(trainer, module)

    def _write(self, trainer: Trainer, module: LightningModule) -> None:
        self.written = time.monotonic()
        if not trainer.is_global_zero:
            return
        gpu = torch.cuda.max_memory_allocated() / 2**20 if module.device.type == "cuda" else None
        attempt = {
            "started": self.began,
            "seconds": self.written - self.clock,
            "images": self.images,
            "peak_memory_mb": peak_memory_mb(),
            "peak_gpu_memory_mb": gpu,
        }
        with contextlib.suppress(OSError):  # a full disk is the checkpoint's to report
            write_json(self.path, [*self.earlier, attempt])


def peak_memory_mb() -> float:
    """The largest resident set of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
