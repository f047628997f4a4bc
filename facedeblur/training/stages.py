"""The commands `train` and `prepare`: which stages run, in which folders, and what is left behind."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from filelock import FileLock

from facedeblur.training.adversarial import AdversarialStage
from facedeblur.training.corpus import Corpus, make_corpus
from facedeblur.training.faces import stage_grid
from facedeblur.training.fit import fit_stage
from facedeblur.training.guards import InterruptOnSigterm
from facedeblur.training.hourglass import HourglassStage
from facedeblur.training.preview import write_png
from facedeblur.training.run_folder import RunFolder, read_status, versions, write_atomic, write_json
from facedeblur.training.scores import score_table, summarise
from facedeblur.training.settings import RunSettings, run_settings
from facedeblur.training.stage import Stage


def is_main_process() -> bool:
    """False in the processes that DDP starts beside the first."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def split_plain(plain: dict) -> tuple[RunSettings, dict]:
    """Settings, and the plain configuration as the run folder keeps it."""
    plain = {key: value for key, value in plain.items() if key != "run_folder"}
    return run_settings(plain), plain


def prepare(plain: dict) -> None:
    """Makes the plans that `train` would make, prints their report and writes its plots beside them."""
    settings, _ = split_plain(plain)
    pairs = [("adversarial stage", settings.data, settings.blur)] if settings.stage == "adversarial" else []
    if settings.model.conditioned or settings.stage == "hourglass":
        pairs.append(("hourglass stage", settings.hourglass.data, settings.hourglass.blur))
    for title, data, blur in pairs:
        corpus = make_corpus(data, blur, settings.jobs)
        for split, report in corpus.reports.items():
            print(f"{title}, {split}:")
            print("\n".join(f"  {line}" for line in report.lines()))
            plot = Path(settings.output) / "prepare" / f"{data.name}-{blur.name}-{split}-lengths.png"
            report.plot(plot)
            print(f"  histogram of L: {plot}")


def train(plain: dict, folder: RunFolder) -> None:
    """Trains the experiment in `folder`; the hourglass stage first where the experiment is conditioned on one."""
    settings, config = split_plain(plain)
    main = is_main_process()
    with InterruptOnSigterm(), folder:
        if main:
            write_json(folder.path / "versions.json", versions())
            write_atomic(folder.path / "config.yaml", _yaml(config))
        hourglass = None
        if settings.stage == "adversarial" and settings.model.conditioned:
            hourglass = hourglass_checkpoint(settings, config)
        stage_settings = settings.hourglass if settings.stage == "hourglass" else settings
        corpus = make_corpus(stage_settings.data, stage_settings.blur, settings.jobs)
        if main:
            write_json(folder.path / "data.json", {k: report.to_dict() for k, report in corpus.reports.items()})
            for split, report in corpus.reports.items():
                for path, reason in report.skipped:
                    print(f"{split}: skipped {path}: {reason}", file=sys.stderr)
        make = (
            partial(HourglassStage, settings.model)
            if settings.stage == "hourglass"
            else partial(AdversarialStage, settings.model, settings.loss, hourglass)
        )
        stage = fit_stage(
            make,
            title=settings.experiment,
            corpus=corpus,
            data=stage_settings.data,
            trainer=stage_settings.trainer,
            logger=settings.logger,
            image_size=settings.model.image_size,
            seed=settings.seed,
            folder=folder,
            run_name=f"{settings.experiment}/{settings.name}-s{settings.seed}",
            config=config,
            resume=settings.resume is not None,
        )
        if main:
            finish(stage, corpus, folder)


def hourglass_key(settings: RunSettings) -> str:
    """Hash of everything that decides the hourglass's weights; equal keys share one trained stage."""
    model = dataclasses.asdict(settings.model)
    decisive = {
        "model": {k: v for k, v in model.items() if k == "image_size" or k.startswith("hourglass_")},
        "data": {k: v for k, v in dataclasses.asdict(settings.hourglass.data).items() if k not in ("cache", "workers")},
        "blur": dataclasses.asdict(settings.hourglass.blur),
        "trainer": dataclasses.asdict(settings.hourglass.trainer),
        "seed": settings.seed,
    }
    text = json.dumps(decisive, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def hourglass_checkpoint(settings: RunSettings, config: dict) -> Path:
    """The hourglass stage's checkpoint: the one asked for, one of the same configuration, or one trained now."""
    asked = settings.hourglass.checkpoint
    if asked:
        path = Path(asked).expanduser()
        return path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    key = hourglass_key(settings)
    path = Path(settings.output) / "hourglass" / key
    done = path / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs of one sweep share the stage: the first trains it, the others wait. Processes of one DDP group share the
    # first one's lock, and those it starts in mid-stage find it unfinished and take part.
    with FileLock(path.with_suffix(".lock")) if is_main_process() else nullcontext():
        status = read_status(path)
        finished = status is not None and status["state"] == "done" and done.exists()
        if is_main_process():
            print(f"hourglass stage: {'reusing' if finished else 'training'} {path}", file=sys.stderr)
        if not finished:
            command = {**config, "stage": "hourglass", "experiment": "hourglass", "name": key, "resume": "auto"}
            train(command, RunFolder(path, resume=True, owner=is_main_process()))
    return done


def finish(stage: Stage, corpus: Corpus, folder: RunFolder) -> None:
    """Writes and prints the run's table, summary.json, rows and preview.png."""
    from rich.console import Console

    summary = summarise(stage.validation_rows, stage.methods)
    schedules = sorted({row["schedule"] for row in stage.validation_rows})
    summary["by_schedule"] = {
        name: summarise([row for row in stage.validation_rows if row["schedule"] == name], stage.methods)
        for name in schedules
    }
    summary["generator_steps"] = stage.generator_step
    summary["skipped_videos"] = {split: len(report.skipped) for split, report in corpus.reports.items()}
    summary["replaced_windows"] = sum(stage.replaced.values())
    write_json(folder.path / "summary.json", summary)
    write_json(folder.path / "validation_rows.json", stage.validation_rows)
    grid = stage_grid(stage)
    if grid is not None:
        write_png(folder.path / "preview.png", grid)
    console = Console()
    console.print(score_table(summary, stage.methods, f"{len(stage.validation_rows)} validation windows"))
    if len(schedules) > 1:
        for name in schedules:
            console.print(score_table(summary["by_schedule"][name], stage.methods, f"{name} windows"))
    for (video, reason), count in stage.replaced.items():
        print(f"replaced {count} window(s) of {video}: {reason}", file=sys.stderr)
    print(f"run folder: {folder.path} (summary.json, preview.png, metrics.csv, checkpoints/)")


def _yaml(config: dict) -> str:
    import yaml

    return yaml.safe_dump(config, sort_keys=False)
