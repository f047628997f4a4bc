"""The fixed grid of validation faces, written after every validation and shown by the loggers."""

from __future__ import annotations

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.training.preview import preview_grid, write_png
from facedeblur.training.run_folder import RunFolder


def stage_grid(stage: LightningModule) -> np.ndarray | None:
    """The stage's grid of faces, strongest blur first, or None where validation has not run."""
    images = [stage.grid_images[key] for key in stage.grid_windows if key in stage.grid_images]
    return preview_grid(images) if images else None


class FaceGrid(Callback):
    """Writes `previews/epoch_<n>.png`: the same faces every time, so that progress can be leafed through."""

    def __init__(self, folder: RunFolder):
        self.folder = folder

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero or not trainer.training and trainer.state.fn != "fit":
            return
        grid = stage_grid(module)
        if grid is None:
            return
        write_png(self.folder.path / "previews" / f"epoch_{module.position['epoch'] + 1:04d}.png", grid)
        for logger in trainer.loggers:
            if hasattr(logger, "log_faces"):
                logger.log_faces(grid, module.generator_step)
