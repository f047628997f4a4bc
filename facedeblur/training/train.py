"""The command `train`: which stages run, in which folders, and what is left behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from facedeblur.data.make_corpus import Corpus, list_clips, make_corpus
from facedeblur.data.stream.datamodule import PairDataModule
from facedeblur.files import write_atomic
from facedeblur.models.registry import run_checkpoint
from facedeblur.signals import sigterm_as_interrupt
from facedeblur.training.cache_keys import KEY_FILE, finished_stage, hourglass_home, hourglass_key, stages_data
from facedeblur.training.callbacks.face_grid import face_grid, grid_pairs
from facedeblur.training.fit import StageRun, fit_stage
from facedeblur.training.localizer_run import train_localizer
from facedeblur.training.run_files import describe_data, describe_run, finish, plans_of
from facedeblur.training.run_folder import RunFolder, is_main_process
from facedeblur.training.settings import HourglassSettings, RunSettings
from facedeblur.training.stage_data import check_batches, pair_module
from facedeblur.training.stages.adversarial import AdversarialStage
from facedeblur.training.stages.chakrabarti16 import Chakrabarti16Stage
from facedeblur.training.stages.hourglass import HourglassStage
from facedeblur.training.stages.kupyn17 import Kupyn17Stage
from facedeblur.training.stages.nafnet import NafnetStage
from facedeblur.training.stages.nah17 import Nah17Stage
from facedeblur.training.stages.restoration import RestorationStage
from facedeblur.training.stages.stage import Stage
from facedeblur.training.time_limit import (
    OutOfTimeError,
    TimeIsUp,
    deadline_of,
    earlier,
    interrupted_at,
    is_over,
)

COMPARED_STAGES = {stage.kind: stage for stage in (Nah17Stage, Kupyn17Stage, Chakrabarti16Stage, NafnetStage)}


def train(
    settings: RunSettings,
    plain: dict,
    folder: RunFolder,
    overrides: Sequence[str] | None = None,
    named: Collection[str] = (),
    deadline: float | None = None,
) -> None:
    """Trains the experiment in `folder`; the hourglass stage first where the experiment is conditioned on one.

    Args:
        plain: the composed configuration that `settings` were parsed from, to be kept in the folder and by loggers.
        overrides: of the command line, kept in the folder so that a resumption composes the same configuration;
            None for a stage that is only resumed by the run that needs it.
        named: skipped videos that have been named already.
        deadline: of time.monotonic; `trainer.minutes` from now where that is earlier. What it ends is not `done`.

    Raises:
        OutOfTimeError: the time was over before the run's own stage could begin.
    """
    needed = overrides is None  # a stage that a run needs has only that run's deadline
    own = None if needed else deadline_of(settings.trainer.minutes, time.monotonic())
    limit = _Limit(settings.trainer.minutes, earlier(deadline, own), needed)
    with sigterm_as_interrupt(), folder:
        if is_main_process():
            describe_run(folder, plain, overrides)
        KINDS[settings.stage](settings, plain, folder, named, limit)


@dataclass(frozen=True)
class _Limit:
    """The run's limit as it was given, when it ends, and whether the stage is one that another run needs."""

    minutes: float | None
    deadline: float | None
    needed: bool

    def error(self, where: str) -> OutOfTimeError:
        return OutOfTimeError(f"trainer.minutes={self.minutes:g} were over {where}; resume=auto goes on from there")


def _train_hourglass(
    settings: RunSettings, plain: dict, folder: RunFolder, named: Collection[str], limit: _Limit
) -> None:
    data = _make_data(settings, settings.hourglass, folder, limit, "hourglass.", named)
    run = StageRun.of(settings, folder, plain, settings.hourglass.trainer, limit.deadline)
    whole = _fit(partial(HourglassStage, settings.model), data, run)
    of_the_run = not whole and run.deadline == limit.deadline
    if of_the_run and limit.needed:
        raise limit.error("in the first stage")
    # its own minutes are part of its key: a stage that they ended is what every run of that key asks for
    if not of_the_run and is_main_process():
        write_atomic(folder.path / KEY_FILE, hourglass_key(settings))


def _train_adversarial(
    settings: RunSettings, plain: dict, folder: RunFolder, named: Collection[str], limit: _Limit
) -> None:
    # everything that can be wrong with videos and batches is found before anything is trained
    for _, needed, blur in stages_data(settings):
        list_clips(needed, blur)
    data = _make_data(settings, settings, folder, limit, named=named)
    hourglass = None  # a checkpoint to go on from, and weights to start from, hold it already
    if settings.model.conditioned and not _resumes(settings, folder) and settings.init is None:
        skipped = [path for report in data.corpus.reports.values() for path, _ in report.skipped]
        hourglass = hourglass_checkpoint(settings, plain, skipped, limit.deadline)
        if is_over(limit.deadline):
            raise limit.error("when the first stage ended")
    make = partial(AdversarialStage, settings.model, settings.loss, hourglass, settings.init)
    _fit(make, data, StageRun.of(settings, folder, plain, settings.trainer, limit.deadline))


def _train_compared(
    settings: RunSettings, plain: dict, folder: RunFolder, named: Collection[str], limit: _Limit
) -> None:
    data = _make_data(settings, settings, folder, limit, named=named)
    make = partial(COMPARED_STAGES[settings.stage], settings.compared, settings.init)
    _fit(make, data, StageRun.of(settings, folder, plain, settings.trainer, limit.deadline))


def _train_localizer(
    settings: RunSettings, plain: dict, folder: RunFolder, named: Collection[str], limit: _Limit
) -> None:
    run = StageRun.of(settings, folder, plain, settings.trainer, limit.deadline)
    _end(train_localizer(settings, run), run)


KINDS = {
    "adversarial": _train_adversarial,
    "hourglass": _train_hourglass,
    "localizer": _train_localizer,
    **dict.fromkeys(COMPARED_STAGES, _train_compared),
}  # of stages, by `stage=`


@dataclass(frozen=True)
class _Data:
    """What a stage of restoration learns from, and what makes the picture of its validation faces."""

    corpus: Corpus
    module: PairDataModule
    draw: Callable[[Stage], np.ndarray] | None


def _make_data(
    settings: RunSettings,
    stage: RunSettings | HourglassSettings,
    folder: RunFolder,
    limit: _Limit,
    prefix: str = "",
    named: Collection[str] = (),
) -> _Data:
    """Plans and checks the pairs of a stage, whose keys begin with `prefix`, and describes them in the run folder.

    A resumed run goes on with its plans; the later processes of a DDP group train on the first one's.
    """
    try:
        with interrupted_at(limit.deadline):
            return _planned(settings, stage, folder, prefix, named)
    except TimeIsUp:
        raise limit.error("before its videos were planned, which is kept as far as it came") from None


def _planned(
    settings: RunSettings,
    stage: RunSettings | HourglassSettings,
    folder: RunFolder,
    prefix: str,
    named: Collection[str],
) -> _Data:
    keep = plans_of(folder) if _resumes(settings, folder) or not is_main_process() else {}
    corpus = make_corpus(stage.data, stage.blur, settings.jobs, settings.prepare, keep)
    module = pair_module(stage.data, corpus, settings.model.image_size, settings.seed, settings.jobs)
    check_batches(module, stage.trainer, prefix)
    if is_main_process():
        describe_data(folder, corpus, named)
    faces = grid_pairs(
        module.val_windows, stage.trainer.grid_faces, module.settings.size, corpus.schedules, module.val_frames
    )
    return _Data(corpus, module, partial(face_grid, pairs=faces) if faces else None)


def _fit(make: Callable[..., RestorationStage], data: _Data, run: StageRun) -> bool:
    """Trains and describes a stage; whether it came to its planned end."""
    stage = fit_stage(make, data.module, data.draw, run)
    if is_main_process():
        finish(stage, data.draw, data.corpus, run.folder)
    return _end(stage, run)


def _end(stage: Stage, run: StageRun) -> bool:
    """Whether the stage came to its planned end; if not, its folder will say so."""
    whole = stage.generator_step >= stage.planned_steps
    if not whole:
        reason = f"time limit, at step {stage.generator_step} of {stage.planned_steps}"
        run.folder.stop(reason)
        if is_main_process():
            print(f"{run.title}: stopped by its {reason}; resume=auto goes on", file=sys.stderr)
    return whole


def _resumes(settings: RunSettings, folder: RunFolder) -> bool:
    return settings.resume is not None and folder.last_checkpoint.exists()


def hourglass_checkpoint(
    settings: RunSettings, plain: dict, named: Collection[str] = (), deadline: float | None = None
) -> Path:
    """The hourglass stage's checkpoint: the one asked for, one of the same configuration, or one trained now.

    One that `deadline` or its own minutes ended is not shared: the next run that needs it trains it on.
    """
    asked = settings.hourglass.checkpoint
    if asked and settings.model.half_size:
        return Path(asked)  # weights, by their name or file
    if asked:
        return run_checkpoint(asked)
    key = hourglass_key(settings)
    home = hourglass_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    # Runs of one sweep share the stage: the first trains it, the others wait. Processes of one DDP group share the
    # first one's lock, and those it starts in mid-stage find it unfinished and take part.
    with FileLock(home / f"{key}.lock") if is_main_process() else nullcontext():
        done = finished_stage(home, key)
        path = done or home / key
        if is_main_process():
            print(f"hourglass stage: {'reusing' if done else 'training'} {path}", file=sys.stderr)
        if done is None:
            stage = {"stage": "hourglass", "experiment": "hourglass", "name": key, "resume": "auto"}
            run = RunFolder(path, resume=True, owner=is_main_process())
            train(replace(settings, **stage), {**plain, **stage}, run, named=named, deadline=deadline)
    return path / "checkpoints" / "last.ckpt"
