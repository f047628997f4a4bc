"""Checkpoints: everything a run needs to go on bit for bit, in one file that loads with `weights_only=True`."""

from __future__ import annotations

import io
import random
import time
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.files import write_atomic
from facedeblur.training.run_folder import RunFolder


def save_checkpoint(path: Path, state: dict) -> None:
    """Writes `state` atomically: a kill or a full disk leaves the previous file as it was."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def rng_state() -> dict:
    """States of the random generators of this process, as tensors and plain numbers."""
    kind, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "python": [version, list(internal), gauss],
    }


def set_rng_state(state: dict) -> None:
    """Puts back what `rng_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def gather_rng_states(trainer: Trainer) -> list[dict]:
    """One RNG state per rank: dropout masks differ between ranks and must all go on where they were."""
    state = rng_state()
    if trainer.world_size == 1:
        return [state]
    states: list = [None] * trainer.world_size
    torch.distributed.all_gather_object(states, state)
    return states


def any_rank(trainer: Trainer, flag: bool) -> bool:
    """Whether `flag` is set on any rank; every rank has to ask."""
    return flag if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(flag, all=False)


class Checkpointer(Callback):
    """Writes `checkpoints/last.ckpt` every few minutes, after each validation and at the end, and `best.ckpt`,
    whenever the stage's `monitored_score` has not been as high before.

    Args:
        folder: the run folder.
        minutes: wall time between two checkpoints within an epoch.
    """

    def __init__(self, folder: RunFolder, minutes: float = 5.0):
        self.folder, self.minutes = folder, minutes
        self.saved = time.monotonic()
        self.best = float("-inf")
        self.validated = -1  # the generator step at which a validation was last finished, its best weights kept

    def _due(self, trainer: Trainer) -> bool:
        # every rank takes part in a save: RNG states are gathered
        return any_rank(trainer, time.monotonic() - self.saved > 60 * self.minutes)

    def save(self, trainer: Trainer, module: LightningModule, name: str = "last.ckpt") -> None:
        validated = self.validated == module.generator_step  # else the end of an epoch still owes its validation
        state = module.run_state() | {"rng": gather_rng_states(trainer), "best": self.best, "validated": validated}
        if trainer.is_global_zero:
            save_checkpoint(self.folder.checkpoints / name, state)
            self.folder.update(step=module.generator_step, epoch=module.position["epoch"])
        self.saved = time.monotonic()

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if module.resumed_from is not None:
            self.best = module.resumed_from["best"]
            if module.resumed_from.get("validated"):
                self.validated = module.generator_step

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if module.at_step_boundary and self._due(trainer):
            self.save(trainer, module)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.state.fn != "fit":  # the closing validation of weights that are saved already
            return
        if module.validation_rows and module.monitored_score() > self.best:
            self.best = module.monitored_score()
            self.save(trainer, module, "best.ckpt")
        self.validated = module.generator_step
        self.save(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.save(trainer, module)
