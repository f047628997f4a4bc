"""The command `train`: which stages run, in which folders, and what is left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from filelock import FileLock
from rich.console import Console

from facedeblur.data.make_corpus import Corpus, make_corpus
from facedeblur.files import write_atomic, write_json
from facedeblur.images import write_png
from facedeblur.signals import sigterm_as_interrupt
from facedeblur.training.cache_keys import KEY_FILE, finished_stage, hourglass_home, hourglass_key
from facedeblur.training.callbacks.face_grid import face_grid, grid_pairs
from facedeblur.training.fit import check_batches, fit_stage, of_run, pair_module
from facedeblur.training.localizer_run import train_localizer
from facedeblur.training.run_folder import RunFolder, is_main_process
from facedeblur.training.scores import score_table, summarise
from facedeblur.training.settings import RunSettings, run_settings
from facedeblur.training.stages.adversarial import AdversarialStage
from facedeblur.training.stages.hourglass import HourglassStage
from facedeblur.training.stages.restoration import RestorationStage
from facedeblur.training.stages.stage import Stage
from facedeblur.versions import versions

_named: set[str] = set()  # skipped videos that were named already


def train(plain: dict, folder: RunFolder, overrides: Sequence[str] | None = None) -> None:
    """Trains the experiment in `folder`; the hourglass stage first where the experiment is conditioned on one.

    Args:
        plain: the composed configuration.
        overrides: of the command line, kept in the folder so that a resumption composes the same configuration;
            None for a stage that is only resumed by the run that needs it.
    """
    settings = run_settings(plain)
    with sigterm_as_interrupt(), folder:
        if is_main_process():
            _describe_run(folder, plain, overrides)
        if settings.stage == "localizer":
            train_localizer(settings, plain, folder)
            return
        resuming = settings.resume is not None and folder.last_checkpoint.exists()
        first_stage = settings.stage == "hourglass"
        stage_settings = settings.hourglass if first_stage else settings
        # everything that can be wrong with videos and batches is found before anything is trained
        # a resumed run goes on with its plans; the later processes of a DDP group train on the first one's
        keep = _plans_of(folder) if resuming or not is_main_process() else {}
        corpus = make_corpus(stage_settings.data, stage_settings.blur, settings.jobs, settings.prepare, keep)
        module = pair_module(stage_settings.data, corpus, settings.model.image_size, settings.seed, settings.jobs)
        check_batches(module, stage_settings.trainer, "hourglass." if first_stage else "")
        if is_main_process():
            _describe_data(folder, corpus)
        if first_stage:
            make = partial(HourglassStage, settings.model)
        else:
            hourglass = None  # a checkpoint to go on from, and weights to start from, hold it already
            if settings.model.conditioned and not resuming and settings.init is None:
                hourglass = hourglass_checkpoint(settings, plain)
            make = partial(AdversarialStage, settings.model, settings.loss, hourglass, settings.init)
        faces = grid_pairs(
            module.val_windows, stage_settings.trainer.grid_faces, module.settings.size, corpus.schedules
        )
        draw = partial(face_grid, pairs=faces) if faces else None
        stage = fit_stage(make, module, draw, trainer=stage_settings.trainer, **of_run(settings, folder, plain))
        if is_main_process():
            finish(stage, draw, corpus, folder)
            if first_stage:
                write_atomic(folder.path / KEY_FILE, hourglass_key(settings))


def hourglass_checkpoint(settings: RunSettings, plain: dict) -> Path:
    """The hourglass stage's checkpoint: the one asked for, one of the same configuration, or one trained now."""
    asked = settings.hourglass.checkpoint
    if asked:
        return Path(asked) / "checkpoints" / "last.ckpt" if Path(asked).is_dir() else Path(asked)
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
            train({**plain, **stage}, RunFolder(path, resume=True, owner=is_main_process()))
    return path / "checkpoints" / "last.ckpt"


def _describe_run(folder: RunFolder, plain: dict, overrides: Sequence[str] | None) -> None:
    write_json(folder.path / "versions.json", versions())
    write_atomic(folder.path / "config.yaml", yaml.safe_dump(plain, sort_keys=False))
    if overrides is not None:
        kept = [o for o in overrides if not o.lstrip("+").startswith(("hydra.", "resume="))]
        identity = {key: plain[key] for key in ("experiment", "stage", "scale", "name", "seed", "model")}
        write_json(folder.path / "overrides.json", {"overrides": kept, "identity": identity})


def _describe_data(folder: RunFolder, corpus: Corpus) -> None:
    described = {
        split: {"manifest": plan.fingerprint(), **corpus.reports[split].to_dict()}
        for split, plan in (("train", corpus.train), ("val", corpus.val))
    }
    write_json(folder.path / "data.json", described)
    for report in corpus.reports.values():
        for path, reason in report.skipped:
            if path not in _named:  # both stages may meet it
                _named.add(path)
                print(f"skipped {path}: {reason}", file=sys.stderr)


def _plans_of(folder: RunFolder) -> dict[str, str]:
    """Split -> name of the plan that `data.json` says the run was begun with."""
    try:
        described = json.loads((folder.path / "data.json").read_text())
        return {split: described[split]["manifest"] for split in ("train", "val")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def finish(
    stage: RestorationStage, draw: Callable[[Stage], np.ndarray] | None, corpus: Corpus, folder: RunFolder
) -> None:
    """Writes and prints the run's table, summary.json, validation_rows.json and preview.png."""
    rows, methods = stage.validation_rows, stage.methods
    by_schedule = {
        name: summarise([row for row in rows if row["schedule"] == name], methods)
        for name in sorted({row["schedule"] for row in rows})
    }
    summary = summarise(rows, methods) | {
        "by_schedule": by_schedule,
        "generator_steps": stage.generator_step,
        "skipped_videos": {split: len(report.skipped) for split, report in corpus.reports.items()},
        "replaced_windows": sum(stage.replaced.values()),
    }
    write_json(folder.path / "summary.json", summary)
    write_json(folder.path / "validation_rows.json", rows)
    if draw is not None:
        write_png(folder.path / "preview.png", draw(stage))
    console = Console(width=max(100, Console().width))
    console.print(score_table(summary, methods, f"{len(rows)} validation windows"))
    if len(by_schedule) > 1:
        for name, scores in by_schedule.items():
            console.print(score_table(scores, methods, f"{scores['windows']} {name} windows"))
    for (video, reason), count in stage.replaced.items():
        print(f"replaced {count} window(s) of {video}: {reason}", file=sys.stderr)
    print(f"run folder: {folder.path} (summary.json, preview.png, metrics.csv, checkpoints/)")
