"""metrics.csv always; Weights & Biases and TensorBoard beside it, with our generator step as the x axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from facedeblur.plugins import make, require_type
from facedeblur.training.loggers.csv_log import MetricsCsv
from facedeblur.training.loggers.wandb_log import WandbLog, wandb_mode
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import LoggerSettings


def make_loggers(
    settings: LoggerSettings, folder: RunFolder, config: dict, resume_step: int | None = None, unvalidated: bool = False
) -> list[Logger]:
    """The loggers of one stage.

    Args:
        config: the resolved configuration as a plain dictionary.
        resume_step: generator step of the checkpoint the run goes on from.
        unvalidated: the validation of that step will be made again.

    Raises:
        ModuleNotFoundError: a logger was asked for whose package is missing; the message says how to install it.
    """
    loggers: list[Logger] = [MetricsCsv(folder.path / "metrics.csv", resume_step, unvalidated)]
    if settings.wandb != "off":
        loggers.append(WandbLog(settings.project, config, folder.path, wandb_mode(settings.wandb)))
    if settings.tensorboard:
        loggers.append(TensorBoardLog(folder.path))
    for name, plugin in settings.loggers.items():
        key = f"logger.loggers.{name}"
        loggers.append(require_type(make(plugin, key), key, Logger, "logger of pytorch_lightning"))
    return loggers


class TensorBoardLog(TensorBoardLogger):
    """TensorBoard's event files in the run folder."""

    def __init__(self, folder: Path):
        super().__init__(save_dir=str(folder), name="tensorboard", version="")

    @rank_zero_only
    def log_faces(self, grid: np.ndarray, step: int) -> None:
        self.experiment.add_image("faces", grid, step, dataformats="HWC")

    def save(self) -> None:
        """Only the event files: the run folder's config.yaml holds the settings."""
