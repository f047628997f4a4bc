"""From a run folder to the files that ship: weights in half precision, with where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from facedeblur.errors import UsageError
from facedeblur.files import read_json, write_pieces
from facedeblur.models.checkpoint import TrainedRun, best_checkpoint, is_run, load_run
from facedeblur.models.registry import BESIDE, NAME, PACKAGED, SUFFIX, TRAINING_SUFFIX, register
from facedeblur.models.weights import load_weights, shipped_state, training_state, write_weights

VERSIONS = ("facedeblur", "git_commit", "torch")


def write_run(run: Path, out: Path) -> tuple[Path, Path]:
    """Writes the test-time network of a run folder or checkpoint to `out`, and beside it what fine-tuning needs.

    Returns both paths. Raises UsageError where there is no such run, it has no generator, or `out` has another suffix.
    """
    if not out.name.endswith(SUFFIX) or out.name.endswith(TRAINING_SUFFIX):
        raise UsageError(f"{out}: weights are written to <name>{SUFFIX}")
    if not is_run(run):
        what = "neither a run folder (config.yaml, checkpoints/) nor a checkpoint (.ckpt)"
        raise UsageError(f"{run}: {what if run.exists() else 'no such run folder or checkpoint'}")
    trained = load_run(best_checkpoint(run))
    if trained.networks is None:
        raise UsageError(f"{run}: holds only the hourglass stage; give a run of an adversarial stage")
    origin = provenance(trained)
    beside = out.with_name(f"{out.name.removesuffix(SUFFIX)}{TRAINING_SUFFIX}")
    write_weights(out, shipped_state(trained.networks), trained.settings, origin)
    write_weights(beside, training_state(trained.networks), trained.settings, origin)
    return out, beside


def write_run_in_pieces(run: Path, megabytes: int) -> list[Path]:
    """As `write_run`, to `<run>/weights.safetensors`, and both files once more in pieces: see `files.write_pieces`."""
    written = write_run(run, run / f"weights{SUFFIX}")
    return [piece for file in written for piece in write_pieces(file, megabytes * 10**6)]


def register_run(run: Path, name: str) -> tuple[Path, Path]:
    """As `write_run`, into the package under `name`, with the hashes in its registry."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name}: names of weights look like final-small-v1: <experiment>-<scale>-v<n>")
    file, beside = write_run(run, PACKAGED / f"{name}{SUFFIX}")
    training = BESIDE / beside.name
    training.parent.mkdir(exist_ok=True)
    beside.replace(training)
    register(name, file, training)
    return file, training


def provenance(trained: TrainedRun) -> dict[str, Any]:
    """What the metadata tell of a run: no path and no host, so that equal runs give equal files."""
    config, folder = trained.config, trained.checkpoint.parent.parent
    data, blur = config["data"], config["blur"]
    return {
        "experiment": config["experiment"],
        "scale": config["scale"],
        "seed": config["seed"],
        "checkpoint": trained.checkpoint.stem,
        "generator_steps": trained.step,
        "images": trained.step * data["batch"] * config["trainer"]["accumulate"],
        "moving_average": config["trainer"]["ema"],
        "blur": {"train": blur["schedules"], "val": blur["val_schedules"], "strength": data["strength"]},
        "loss": config["loss"],
        "data": {"name": data["name"], "kind": data["kind"], **_manifests(folder / "data.json")},
        "versions": {key: value for key, value in read_json(folder / "versions.json", {}).items() if key in VERSIONS},
        "initialised_from": Path(config["init"]).name if config.get("init") else None,
    }


def halving_error(run: Path, file: Path, size: int = 256) -> float:
    """Largest change that half precision makes to a restored image, in [0, 1], on smooth random pictures."""
    noise = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic").clamp(0, 1)
    exact, halved = load_run(best_checkpoint(run)).deblurrer(), load_weights(file).deblurrer()
    return float((exact(images) - halved(images)).abs().max())


def _manifests(file: Path) -> dict[str, dict]:
    """Hash of the plan and number of videos of both splits."""
    return {
        split: {"manifest": entry["manifest"], "videos": entry["videos"]}
        for split, entry in read_json(file, {}).items()
        if isinstance(entry, dict) and "manifest" in entry
    }
