"""Validations outside of the training loop: one that an interrupted epoch still owes, and that of what a run ships."""

from __future__ import annotations

import pytorch_lightning as pl

from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.training.callbacks.checkpoint import save_checkpoint
from facedeblur.training.callbacks.face_grid import FaceGrid
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.stages.stage import Stage


def owes_validation(state: dict | None, batches: int, every: int, steps: int) -> bool:
    """Whether the run was ended after an epoch's last batch, or its own last step, before the validation was over.

    Args:
        state: of the checkpoint that is resumed.
        batches, every: of an epoch, and epochs between two validations.
        steps: that are planned.
    """
    if state is None or state.get("validated", True):
        return False
    position = state["position"]
    over = position["batch"] >= batches or state["generator_step"] >= steps
    return over and (position["epoch"] + 1) % every == 0


def validate_epoch(
    loop: pl.Trainer, stage: Stage, module: pl.LightningDataModule, grid: FaceGrid | None, folder: RunFolder
) -> None:
    """The validation that the last epoch of a resumed run did not come to; its weights are those of `last.ckpt`."""
    loop.validate(stage, datamodule=module, verbose=False)
    state = stage.resumed_from
    if grid is not None:
        grid.draw_epoch(loop, stage, state["position"]["epoch"] + 1)
    state["validated"] = True
    better = bool(stage.validation_rows) and stage.monitored_score() > state["best"]
    if better:
        state["best"] = stage.monitored_score()
    if loop.is_global_zero:
        if better:
            save_checkpoint(folder.checkpoints / "best.ckpt", state)
        save_checkpoint(folder.last_checkpoint, state)


def validate_shipped(loop: pl.Trainer, stage: Stage, module: pl.LightningDataModule, folder: RunFolder) -> None:
    """Puts the weights that the run ships into the stage, and their rows beside them."""
    if not (stage.validation_rows and stage.validated):  # else fitting ended with the validation of these weights
        loop.validate(stage, datamodule=module, verbose=False)
    loop.strategy.barrier()  # the first rank may still be writing
    best = folder.checkpoints / "best.ckpt"
    stage.shipped_step = stage.generator_step
    if not stage.ships_best or not best.is_file():
        return
    state = load_checkpoint(best)
    if state["generator_step"] == stage.generator_step:
        return
    stage.load_networks(state)
    stage.shipped_step = state["generator_step"]
    loop.validate(stage, datamodule=module, verbose=False)
