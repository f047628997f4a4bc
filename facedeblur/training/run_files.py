"""What a run writes into its folder beside checkpoints and logs: what it was begun with, and what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Sequence

import numpy as np
import yaml
from rich.console import Console

from facedeblur.data.make_corpus import Corpus
from facedeblur.files import write_atomic, write_json
from facedeblur.images import write_png
from facedeblur.plugins import described
from facedeblur.status import trained_on
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.scores import score_table, summarise
from facedeblur.training.stages.restoration import RestorationStage
from facedeblur.training.stages.stage import Stage
from facedeblur.versions import versions


def describe_run(folder: RunFolder, plain: dict, overrides: Sequence[str] | None) -> None:
    """Writes versions, configuration, code of the user's own and, unless they are None, overrides."""
    write_json(folder.path / "versions.json", versions())
    write_atomic(folder.path / "config.yaml", yaml.safe_dump(plain, sort_keys=False))
    if plugins := described(plain):
        write_json(folder.path / "plugins.json", plugins)
    if overrides is not None:
        kept = [o for o in overrides if not o.lstrip("+").startswith(("hydra.", "resume="))]
        identity = {key: plain[key] for key in ("experiment", "stage", "scale", "name", "seed", "model")}
        content = {"overrides": kept, "identity": identity, "trained_on": trained_on(plain)}
        write_json(folder.path / "overrides.json", content)


def describe_data(folder: RunFolder, corpus: Corpus, named: Collection[str]) -> None:
    """Writes data.json, and names the skipped videos that are not among `named`."""
    write_json(folder.path / "data.json", {split: report.to_dict() for split, report in corpus.reports.items()})
    for report in corpus.reports.values():
        for path, reason in report.skipped:
            if path not in named:  # both stages may meet it
                print(f"skipped {path}: {reason}", file=sys.stderr)


def plans_of(folder: RunFolder) -> dict[str, str]:
    """Split -> name of the plan that `data.json` says the run was begun with."""
    try:
        described = json.loads((folder.path / "data.json").read_text())
        return {split: described[split]["manifest"] for split in ("train", "val")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def finish(
    stage: RestorationStage, draw: Callable[[Stage], np.ndarray] | None, corpus: Corpus, folder: RunFolder
) -> None:
    """Writes and prints the run's table, summary.json, validation_rows.json and preview.png, of what it ships."""
    rows, methods = stage.validation_rows, stage.methods
    by_schedule = {
        name: summarise([row for row in rows if row["schedule"] == name], methods)
        for name in sorted({row["schedule"] for row in rows})
    }
    summary = summarise(rows, methods) | {
        "by_schedule": by_schedule,
        "generator_steps": stage.generator_step,
        "shipped_step": stage.shipped_step,
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
