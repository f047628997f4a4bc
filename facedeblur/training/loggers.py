"""metrics.csv always; Weights & Biases and TensorBoard beside it, with our generator step as the x axis."""

from __future__ import annotations

import hashlib
import netrc
import os
from pathlib import Path

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only

from facedeblur.training.csv_log import MetricsCsv
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import LoggerSettings


def make_loggers(
    settings: LoggerSettings, folder: RunFolder, run_name: str, config: dict, resume_step: int | None = None
) -> list[Logger]:
    """The loggers of one stage.

    Args:
        run_name: `<experiment>/<name>-s<seed>`. The wandb id is that of the folder, so that a resumed run goes on.
        config: the resolved configuration as a plain dictionary.
        resume_step: generator step of the checkpoint the run goes on from.

    Raises:
        ModuleNotFoundError: a logger was asked for whose package is missing; the message says how to install it.
    """
    loggers: list[Logger] = [MetricsCsv(folder.path / "metrics.csv", resume_step)]
    if settings.wandb != "off":
        mode = ("online" if logged_in() else "offline") if settings.wandb == "auto" else settings.wandb
        loggers.append(WandbLog(settings.project, run_name, config, folder.path, mode))
    if settings.tensorboard:
        loggers.append(TensorBoardLog(folder.path))
    return loggers


def logged_in() -> bool:
    """Whether wandb finds a key without asking: WANDB_API_KEY, or an entry in the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False


class WandbLog(Logger):
    """One wandb run, written offline unless logged in; always finished, with the job's state."""

    def __init__(self, project: str, run_name: str, config: dict, folder: Path, mode: str):
        super().__init__()
        self.project, self.run_name, self.config, self.folder, self.mode = project, run_name, config, folder, mode
        self._run = None

    name = property(lambda self: self.project)
    version = property(lambda self: self.run_name)

    @property
    def run(self):
        if self._run is None:
            import wandb

            self._run = wandb.init(
                project=self.project,
                name=self.run_name.replace("/", "-"),
                id=hashlib.sha256(str(self.folder).encode()).hexdigest()[:16],
                group=self.run_name.split("/")[0],
                job_type="train",
                config=self.config,
                dir=str(self.folder),
                mode=self.mode,
                resume="allow",
                settings=wandb.Settings(console="off", silent=True),
            )
            self._run.define_metric("generator_step")
            self._run.define_metric("*", step_metric="generator_step")
            self._run.define_metric("val/psnr", summary="max", step_metric="generator_step")
            self._run.define_metric("val/ssim", summary="max", step_metric="generator_step")
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params, *args, **kwargs) -> None:
        """The configuration is given when the run is made."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.run.log({**metrics, "generator_step": step})

    @rank_zero_only
    def log_faces(self, grid: np.ndarray, step: int) -> None:
        import wandb

        self.run.log({"faces": wandb.Image(grid), "generator_step": step})

    def finalize(self, status: str) -> None:
        """Lightning calls this after every fit and validation; the run goes on until `finish`."""

    @rank_zero_only
    def finish(self, succeeded: bool) -> None:
        """Closes the run with the job's exit state."""
        if self._run is not None:
            self._run.finish(exit_code=0 if succeeded else 1)
            self._run = None


class TensorBoardLog(TensorBoardLogger):
    """TensorBoard's event files in the run folder."""

    def __init__(self, folder: Path):
        super().__init__(save_dir=str(folder), name="tensorboard", version="")

    @rank_zero_only
    def log_faces(self, grid: np.ndarray, step: int) -> None:
        self.experiment.add_image("faces", grid, step, dataformats="HWC")

    def save(self) -> None:
        """Only the event files: the run folder's config.yaml holds the settings."""
