"""Commands that take Hydra overrides: their checks before anything starts, and their work under Hydra."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from facedeblur.errors import UsageError
from facedeblur.extras import need
from facedeblur.files import check_place
from facedeblur.overrides import (
    as_plain,
    compose_config,
    compose_run,
    conf_dir,
    constant,
    listed,
    quoted,
    with_config_dir,
    with_init,
)
from facedeblur.plugins import check_plugins, targets, trust

if TYPE_CHECKING:
    from facedeblur.evaluation.settings import EvaluationSettings
    from facedeblur.training.settings import RunSettings


def run_command(command: str, config: str, arguments: list[str]) -> None:
    """Runs `conf/<config>.yaml` under `arguments`: at once, or with flags (-m, --cfg, ...) by Hydra.

    Raises:
        UsageError: everything that the user can fix.
    """
    typed = arguments
    refuse_missing_launcher(arguments)
    arguments = with_config_dir(arguments)
    words = with_init([*map(quoted, arguments)]) if config == "train" else [*map(listed, arguments)]
    if any(word.startswith(("-", "hydra.mode=")) for word in words):
        _run_by_hydra(command, config, words)
        return
    try:
        _run_once(command, config, words)
    except KeyboardInterrupt:
        if command == "train":
            _tell_resumption(typed)
        raise


def _tell_resumption(arguments: list[str]) -> None:
    """Prints the command that goes on with the run that these arguments began."""
    from facedeblur.training.run_folder import is_main_process

    named = [word for word in arguments if word.startswith("resume=") and word not in ("resume=null", "resume=auto")]
    words = [word for word in arguments if not word.startswith("resume=")] + (named or ["resume=auto"])
    if is_main_process():
        print(f"go on with: {shlex.join(['facedeblur', 'train', *words])}", file=sys.stderr, flush=True)


def _run_once(command: str, config: str, overrides: list[str]) -> None:
    """Composes and parses once, then does the work as Hydra does a single job: its output folder, its logging."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import run_job
    from hydra.types import HydraContext, RunMode
    from omegaconf import read_write

    cfg = compose_run(overrides) if config == "train" else compose_config(overrides, config)
    settings, plain = checked(cfg)
    folder = Path(os.path.abspath(cfg.hydra.run.dir))
    check_place(folder, "output", folder=True)
    outcome: list[BaseException] = []

    def task(_) -> None:
        try:
            _work(command, settings, plain, folder, list(cfg.hydra.overrides.task))
        except (UsageError, KeyboardInterrupt) as error:
            outcome.append(error)  # not to be printed by Hydra

    with read_write(cfg.hydra):
        cfg.hydra.mode = RunMode.RUN
    callbacks = Callbacks(cfg)
    callbacks.on_run_start(config=cfg, config_name=config)
    done = run_job(task, cfg, "hydra.run.dir", None, HydraContext(config_loader=None, callbacks=callbacks))
    callbacks.on_run_end(config=cfg, config_name=config, job_return=done)
    if outcome:
        raise outcome[0]
    _ = done.return_value  # raises what the work raised


def _run_by_hydra(command: str, config: str, words: list[str]) -> None:
    """Multiruns and Hydra's own flags; every job is composed by the sweeper."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    # Hydra's parser takes overrides in one piece alone, behind the flags and their values
    words = sorted(words, key=lambda word: "=" in word and not word.startswith("-"))
    flags = {word for word in words if word.startswith("-")}
    if flags <= {"-m", "--multirun"}:  # the sweeper checks what varies, job by job
        compose_config(constant([word for word in words if word not in flags]), config, resolve=False)
    original, here = sys.argv, os.getpid()
    outcome: list[UsageError] = []

    def task(cfg) -> None:
        sys.argv = original  # a DDP child is started with the command line as the user typed it
        try:
            (settings, plain), folder = checked(cfg), Path(HydraConfig.get().runtime.output_dir)
            composed_of = list(HydraConfig.get().overrides.task)  # in a multirun, those of this job
            if config == "train" and HydraConfig.get().mode == RunMode.MULTIRUN:
                from facedeblur.training.checks import refuse_ddp

                refuse_ddp(plain)
                step = _begin_job(folder, composed_of) if command == "train" else ""
                if step == "skip":
                    return
                if step == "resume":
                    settings, plain = replace(settings, resume="auto"), {**plain, "resume": "auto"}
            _work(command, settings, plain, folder, composed_of)
        except UsageError as error:
            if os.getpid() != here:  # a launcher's own process: the launcher reports it
                raise
            outcome.append(error)  # Hydra would print its own stack around it

    task.command = command  # for launchers that start it as a process of its own
    sys.argv = [original[0], *words]  # a flag's value stays behind it
    try:
        hydra.main(config_path=str(conf_dir()), config_name=config, version_base="1.3")(task)()
    finally:
        sys.argv = original
    if outcome:
        raise outcome[0]


LAUNCHER_PLUGINS = {
    "slurm": "hydra_plugins.hydra_submitit_launcher",
    "slurm_local": "hydra_plugins.hydra_submitit_launcher",
    "ray": "hydra_plugins.hydra_ray_launcher",
}


def refuse_missing_launcher(arguments: list[str]) -> None:
    """Raises UsageError with the extra to install where a cluster's launcher is asked for and missing."""
    for argument in arguments:
        group, _, name = argument.partition("=")
        if group == "hydra/launcher" and name in LAUNCHER_PLUGINS:
            need(argument, LAUNCHER_PLUGINS[name])


def _begin_job(folder: Path, overrides: list[str]) -> str:
    """What the launcher gpu_pool does before it starts a job, for jobs of all others: "skip", "resume" or "start".

    Records the overrides beside the run, unless it is done already.

    Raises:
        UsageError: the folder's run had other overrides, or is still alive.
    """
    from facedeblur.files import write_json
    from facedeblur.status import next_step, override_difference

    difference = override_difference(folder, overrides)
    if difference:
        raise UsageError(f"{folder}: holds a run of other overrides ({difference}); choose another output=...")
    step = next_step(folder)
    if step == "skip":
        print(f"{folder}: done before, skipped", file=sys.stderr)
        return step
    if step == "busy":
        raise UsageError(f"{folder}: another process is still training here")
    write_json(folder / "job.json", {"overrides": overrides, "started": time.time(), "slot": platform.node()})
    return step


def checked(cfg) -> tuple[RunSettings | EvaluationSettings, dict]:
    """The configuration as settings and as plain numbers, after every check that needs neither torch nor a video."""
    plain = as_plain(cfg)
    check_plugins(plain)
    trust(targets(plain).values())  # this command's own words name them
    if "judge" in plain:
        from facedeblur.evaluation.settings import evaluation_settings

        settings = evaluation_settings(plain)
        trust(settings.plugins)
        return settings, plain
    from facedeblur.training.checks import check_files
    from facedeblur.training.settings import run_settings

    settings = run_settings(plain)
    check_files(settings)
    return settings, plain


def check_pool_job(cfg) -> tuple[RunSettings | EvaluationSettings, dict]:
    """`checked`, for launchers that give each job one device.

    `cfg` is the whole composed configuration, which must be the one that HydraConfig holds.

    Raises:
        UsageError: the job would stop at a value, or wants several devices.
    """
    from facedeblur.training.checks import refuse_ddp

    settings, plain = checked(cfg)
    refuse_ddp(plain, visible=1)
    return settings, plain


def _work(
    command: str, settings: RunSettings | EvaluationSettings, plain: dict, folder: Path, overrides: list[str]
) -> None:
    """The command itself, under one-line errors for everything that the user can fix."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no version check over the network
    from facedeblur.training.run_folder import RunFolder, is_main_process

    try:
        if command == "prepare":
            from facedeblur.data.command import prepare
            from facedeblur.training.cache_keys import stages_data

            if settings.stage == "localizer":
                from facedeblur.training.localizer_run import prepare_localizer  # torch and Lightning: two seconds

                prepare_localizer(settings)
                return
            prepare(settings, stages_data(settings))
            return
        if command == "evaluate":
            from facedeblur.evaluation.command import evaluate

            evaluate(settings)
            return
        # an existing run stops the command before torch is loaded
        run = RunFolder(folder, resume=bool(settings.resume), owner=is_main_process())
        from facedeblur.training.train import train

        train(settings, plain, run, overrides)
        if settings.pieces is not None and settings.stage == "adversarial" and is_main_process():
            from facedeblur.export.weights import write_run_in_pieces

            pieces = write_run_in_pieces(folder, settings.pieces)
            print(f"weights: {len(pieces)} pieces of at most {settings.pieces} MB in {folder}")
    except ValueError as error:
        if os.environ.get("FACEDEBLUR_TRACEBACK"):
            raise
        raise UsageError(error) from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR) and error.filename:
            if os.environ.get("FACEDEBLUR_TRACEBACK"):
                raise
            raise UsageError(f"{error.filename}: cannot be written to or read ({error.strerror})") from error
        if error.errno != errno.ENOSPC:
            raise
        full = f"{error.filename or folder}: no space left on the disk; the last checkpoint is intact"
        raise UsageError(full) from error
