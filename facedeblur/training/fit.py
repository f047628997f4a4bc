"""Runs one stage in its run folder: data module, LightningModule, Trainer, callbacks, and the state to go on from."""

from __future__ import annotations

import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch

from facedeblur.data.stream.base import StreamDataModule
from facedeblur.models.checkpoint import CheckpointError, load_checkpoint
from facedeblur.plugins import make, require_type
from facedeblur.training import hardware
from facedeblur.training.callbacks.checkpoint import Checkpointer
from facedeblur.training.callbacks.cost import Cost
from facedeblur.training.callbacks.face_grid import FaceGrid
from facedeblur.training.callbacks.guards import TimeLimit
from facedeblur.training.callbacks.interruption import Interruption
from facedeblur.training.callbacks.progress import TrainingProgress
from facedeblur.training.estimate import announce
from facedeblur.training.loggers.loggers import make_loggers
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import LoggerSettings, RunSettings, TrainerSettings
from facedeblur.training.stage_data import planned_length
from facedeblur.training.stages.stage import Stage
from facedeblur.training.time_limit import deadline_of, earlier
from facedeblur.training.validations import owes_validation, validate_epoch, validate_shipped


@dataclass(frozen=True)
class StageRun:
    """The run that a stage belongs to.

    Attributes:
        title: what the progress bar calls it.
        config: the composed configuration, for loggers.
        resume: go on from `checkpoints/last.ckpt` where there is one.
        deadline: of time.monotonic, when training has to stop.
    """

    title: str
    trainer: TrainerSettings
    logger: LoggerSettings
    seed: int
    folder: RunFolder
    config: dict
    resume: bool = False
    deadline: float | None = None

    @classmethod
    def of(
        cls,
        settings: RunSettings,
        folder: RunFolder,
        config: dict,
        trainer: TrainerSettings,
        deadline: float | None = None,
    ) -> StageRun:
        """The stage of `settings` that `trainer` trains, within its own minutes and before the run's `deadline`."""
        resume = settings.resume is not None
        until = earlier(deadline, deadline_of(trainer.minutes, time.monotonic()))
        return cls(settings.experiment, trainer, settings.logger, settings.seed, folder, config, resume, until)


def fit_stage(
    make_stage: Callable[..., Stage],
    module: StreamDataModule,
    draw: Callable[[Stage], np.ndarray] | None,
    run: StageRun,
) -> Stage:
    """Trains one stage to its planned end or time limit; then it holds what the run ships.

    Args:
        make_stage: called with the keyword arguments of Stage.
        module: its data.
        draw: the picture made of the stage after every epoch; None makes none.

    Returns:
        The stage with the weights that the run ships, those that validation chose, and all their `validation_rows`, on
        every rank; its `generator_step` is that of the last step, `shipped_step` that of the weights.
    """
    trainer, folder = run.trainer, run.folder
    _quiet_libraries()
    accelerator = hardware.accelerator_name(trainer.accelerator)
    devices = hardware.device_count(accelerator, trainer.devices)
    world = devices * trainer.nodes
    threads = hardware.set_threads(trainer.threads, devices if accelerator == "cpu" else 1)
    precision = hardware.precision_name(accelerator, trainer.precision)
    pl.seed_everything(run.seed, workers=False, verbose=False)

    batches = module.batches_per_epoch(world)
    steps, epochs = planned_length(trainer, batches)

    state = load_checkpoint(folder.last_checkpoint) if run.resume and folder.last_checkpoint.exists() else None
    stage = make_stage(
        settings=trainer,
        planned_steps=steps,
        batches_per_epoch=batches,
        images_per_step=module.settings.batch * trainer.accumulate,
        folder=folder.path,
        resumed_from=state,
    )
    if state is not None:
        _continue(stage, module, state, batches)
    announce(run.title, stage, module, devices, accelerator, precision, threads, folder, run.deadline)
    owed = owes_validation(state, batches, trainer.validate_every, steps)
    grid = FaceGrid(folder, draw) if draw else None
    checkpointer = Checkpointer(folder, trainer.checkpoint_minutes)

    loop = pl.Trainer(
        accelerator={"cuda": "gpu"}.get(accelerator, accelerator),
        devices=devices,
        num_nodes=trainer.nodes,
        strategy="ddp_find_unused_parameters_true" if world > 1 else "auto",
        precision=precision,
        max_epochs=epochs,
        check_val_every_n_epoch=trainer.validate_every,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        logger=make_loggers(run.logger, folder, run.config, stage.generator_step, owed),
        callbacks=[
            TrainingProgress(run.title, steps, run.deadline),
            *([grid] if grid else []),
            checkpointer,
            Cost(folder.path),
            *([TimeLimit(run.deadline)] if run.deadline is not None else []),
            *own_callbacks(trainer),
            Interruption(checkpointer, run.title),
        ],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=folder.path,
    )
    start_at_epoch(loop, stage.position["epoch"])
    try:
        if owed:
            validate_epoch(loop, stage, module, grid, folder)
        if stage.generator_step < steps:
            loop.fit(stage, datamodule=module)
        validate_shipped(loop, stage, module, folder)
        for log in loop.loggers:
            if hasattr(log, "log_scores") and "schedule" in (stage.validation_rows or [{}])[0]:
                log.log_scores(stage.validation_rows, stage.methods, stage.generator_step)
    except SystemExit as error:  # how Lightning ends after a KeyboardInterrupt
        if loop.interrupted:
            raise KeyboardInterrupt(str(error.__context__ or "Ctrl-C")) from error
        raise
    finally:
        succeeded = loop.state.finished
        for log in loop.loggers:
            if hasattr(log, "finish"):
                log.finish(succeeded)
    stage.replaced = _gathered(stage.replaced, world)
    return stage


def own_callbacks(trainer: TrainerSettings) -> list[pl.Callback]:
    """Those that `trainer.callbacks` names. Raises PluginError for what is no callback of Lightning's."""
    plugins = {f"trainer.callbacks.{name}": plugin for name, plugin in trainer.callbacks.items()}
    wanted = (pl.Callback, "pytorch_lightning.Callback")
    return [require_type(make(plugin, key), key, *wanted) for key, plugin in plugins.items()]


def _continue(stage: Stage, module: StreamDataModule, state: dict, batches: int) -> None:
    """Puts the stage and the stream where the checkpoint was."""
    if state["stage"] != stage.kind:
        raise CheckpointError(f"the checkpoint is of the {state['stage']} stage, not of {stage.kind}")
    position = state["position"]
    if position["batch"] >= batches:
        position = {"epoch": position["epoch"] + 1, "batch": 0}
    stage.generator_step, stage.position = state["generator_step"], dict(position)
    stage.replaced.update({(video, reason): count for video, reason, count in state["replaced"]})
    if state.get("validated"):
        stage.set_validated()
    module.set_position(position["epoch"], position["batch"])


def start_at_epoch(loop: pl.Trainer, epoch: int) -> None:
    """Makes Lightning count epochs from `epoch`; the stream's loader knows by itself where in it to go on.

    Lightning has no public way to begin there but a checkpoint of its own.
    """
    progress = loop.fit_loop.epoch_progress.current
    progress.ready = progress.started = progress.processed = progress.completed = epoch


def _gathered(counts: Counter, world: int) -> Counter:
    """The sum of all ranks' counts."""
    if world == 1:
        return counts
    gathered: list = [None] * world
    torch.distributed.all_gather_object(gathered, counts)
    return sum(gathered, Counter())


def _quiet_libraries() -> None:
    """Lightning's advice is for its own progress bar and loaders; what matters here is printed by ourselves."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch\.utils\.data).*")
