"""From a run folder to the files that ship: weights in half precision, with where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from facedeblur.errors import UsageError
from facedeblur.files import read_json, write_pieces
from facedeblur.models.build import Networks
from facedeblur.models.checkpoint import TrainedRun, best_checkpoint, is_run, load_run
from facedeblur.models.registry import BESIDE, NAME, PACKAGED, SUFFIX, TRAINING_SUFFIX, locate, register
from facedeblur.models.weights import fill_shipped, load_weights, shipped_state, training_state, write_weights

VERSIONS = ("facedeblur", "git_commit", "torch")


def write_run(run: Path, out: Path, average: tuple[str, float] | None = None) -> tuple[Path, Path]:
    """Writes the test-time network of a run folder or checkpoint to `out`, and beside it what fine-tuning needs.

    Args:
        run: where it is.
        out: the file, <name>.safetensors.
        average: weights by name or file, and their share in [0, 1] of what is written: see `averaged`.

    Returns:
        Both paths.

    Raises:
        UsageError: there is no such run, it has no generator, `out` has another suffix, or the weights are others'.
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
    if average is not None:
        averaged(trained.networks, *average)
        origin |= {"averaged_with": {"weights": Path(average[0]).name, "share": average[1]}}
    beside = out.with_name(f"{out.name.removesuffix(SUFFIX)}{TRAINING_SUFFIX}")
    write_weights(out, shipped_state(trained.networks), trained.settings, origin)
    write_weights(beside, training_state(trained.networks), trained.settings, origin)
    return out, beside


def write_run_in_pieces(run: Path, megabytes: int) -> list[Path]:
    """As `write_run`, to `<run>/weights.safetensors`, and both files once more in pieces: see `files.write_pieces`."""
    written = write_run(run, run / f"weights{SUFFIX}")
    return [piece for file in written for piece in write_pieces(file, megabytes * 10**6)]


def averaged(networks: Networks, weights: str, share: float) -> None:
    """Moves the test-time network by `share` of the way to `weights`, in place.

    For a run that began from these weights and was trained for something else: on the straight line between the two
    often lies a network that has most of either (Wortsman et al. 2022). Raises UsageError where the file is damaged, or
    the two differ in more than values.
    """
    located = locate(weights)
    located.verify()
    tensors = shipped_state(networks)
    own = {name: value.clone() for name, value in tensors.items()}
    fill_shipped(networks, located)
    with torch.no_grad():
        for name, value in tensors.items():
            value.lerp_(own[name], 1 - share)


def register_run(run: Path, name: str, average: tuple[str, float] | None = None) -> tuple[Path, Path]:
    """As `write_run`, into the package under `name`, with the hashes in its registry."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name}: names of weights look like final-small-v1: <experiment>-<scale>-v<n>")
    file, beside = write_run(run, PACKAGED / f"{name}{SUFFIX}", average)
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
        "blur": {"train": _drawn_blurs(data, blur), "val": blur["val_schedules"], "strength": data["strength"]},
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


def _drawn_blurs(data: dict[str, Any], blur: dict[str, Any]) -> dict[str, float]:
    """Blur -> its share of the pairs, over all rows of the mixture; those without blurs of their own have the run's."""
    rows = data.get("mixture") or [{"weight": 1.0}]
    rows = rows[:1] if data.get("only_first_pass") else rows
    counted = sum(row.get("count") or 0 for row in rows)  # the other rows share what is left of an epoch, by weight
    weights = sum(row.get("weight") or 0 for row in rows)
    size = max(data.get("epoch_windows") or 0, counted) if weights else counted
    shares: dict[str, float] = {}
    for row in rows:
        drawn = row.get("blur") or blur["schedules"]
        part = row["count"] / size if row.get("count") else row["weight"] / weights * (1 - counted / max(size, 1))
        for name, weight in drawn.items():
            share = part * weight / sum(drawn.values())
            shares[name] = shares.get(name, 0.0) + share
    return {name: round(share, 3) for name, share in shares.items()}


def _manifests(file: Path) -> dict[str, dict]:
    """Hash of the plan and number of videos of both splits."""
    return {
        split: {"manifest": entry["manifest"], "videos": entry["videos"]}
        for split, entry in read_json(file, {}).items()
        if isinstance(entry, dict) and "manifest" in entry
    }
