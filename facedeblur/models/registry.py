"""Weights that are known by name: where their files lie, and that they are the files that were registered.

The command line looks into weights before torch is loaded: nothing heavy is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facedeblur.errors import UsageError
from facedeblur.files import write_json

PACKAGED = Path(__file__).resolve().parents[1] / "weights"  # in the wheel: the test-time networks and their cards
BESIDE = Path(__file__).resolve().parents[2] / "weights"  # of a checkout only: what fine-tuning needs beside them
SUFFIX = ".safetensors"
TRAINING_SUFFIX = ".training.safetensors"
FORMAT = 1
METADATA = "facedeblur"  # one key that holds all: with several, safetensors would write them in random order
MAX_BYTES = 25 * 10**6
# what a run chooses for itself, whatever weights it starts from: its plug-ins and its training
CHOSEN = ("identity", "two_step", "keep", "projection_on")
NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*-v[0-9]+")


class WeightsError(UsageError):
    """A file of weights is unknown, damaged, or of another architecture than it is asked to serve."""


class UnknownWeightsError(WeightsError):
    """No weights are registered by this name, and no file has it."""


@dataclass(frozen=True)
class Entry:
    """One line of the registry: SHA-256 of the shipped file, and of the training file where there is one."""

    sha256: str
    training_sha256: str | None = None


@dataclass(frozen=True)
class Located:
    """Files of weights. `training`: the discriminator and G_s, None where that file is not at hand."""

    name: str
    file: Path
    training: Path | None
    entry: Entry | None = None  # None for a file that was given by its path

    def verify(self) -> None:
        """Raises WeightsError where a registered file is not, byte for byte, the one that was registered."""
        if self.entry is None:
            return
        for path, expected in ((self.file, self.entry.sha256), (self.training, self.entry.training_sha256)):
            if path is not None and expected is not None and (found := sha256(path)) != expected:
                raise WeightsError(
                    f"{path}: damaged or replaced: its SHA-256 is {found[:16]}..., registered is {expected[:16]}...; "
                    f"restore it (git checkout, or pip install --force-reinstall facedeblur)"
                )


def weight_names(folder: Path = PACKAGED) -> dict[str, Entry]:
    """Every registered name and its entry, in the order of registration."""
    return {name: Entry(**entry) for name, entry in json.loads((folder / "registry.json").read_text()).items()}


def locate(name: str | os.PathLike, folder: Path = PACKAGED, beside: Path = BESIDE) -> Located:
    """The files of registered weights, or of a `.safetensors` file given by its path; not yet verified.

    Raises:
        UnknownWeightsError: listing the known names.
        WeightsError: registered weights whose file is missing.
    """
    name = os.fspath(name)
    entries = weight_names(folder)
    if name in entries:
        file = folder / f"{name}{SUFFIX}"
        if not file.is_file():
            raise WeightsError(f"{name}: registered, but {file} is missing; install facedeblur again")
        training = _first(folder / f"{name}{TRAINING_SUFFIX}", beside / f"{name}{TRAINING_SUFFIX}")
        return Located(name, file, training, entries[name])
    file = Path(name).expanduser()
    if name.endswith(SUFFIX) and file.is_file():
        stem = file.name.removesuffix(SUFFIX)
        return Located(stem, file, _first(file.with_name(f"{stem}{TRAINING_SUFFIX}")))
    names = ", ".join(entries) or "none yet"
    raise UnknownWeightsError(f"{name}: no such weights; known names: {names}; or give the path of a {SUFFIX} file")


def read_metadata(file: Path) -> dict[str, Any]:
    """What a file of weights says of itself, without its tensors: `format`, `model` (settings) and `provenance`.

    Raises:
        WeightsError: the file is not ours.
    """
    try:
        with open(file, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= 10**8:  # the format's own limit
                raise ValueError("no header")
            text = json.loads(stream.read(length)).get("__metadata__", {}).get(METADATA, "{}")
            metadata = json.loads(text)
    except (OSError, ValueError, AttributeError) as error:
        raise WeightsError(f"{file}: not a readable {SUFFIX} file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{file}: not facedeblur's weights of format {FORMAT}; its metadata do not say so")
    return metadata


def inherited_settings(weights: Located) -> dict[str, Any]:
    """The model settings that a run takes over from the weights it starts from, as plain numbers and lists."""
    return {key: value for key, value in read_metadata(weights.file)["model"].items() if key not in CHOSEN}


def is_run(path: str | Path) -> bool:
    """Whether `path` is a run folder or a checkpoint file."""
    path = Path(path)
    return path.suffix == ".ckpt" if path.is_file() else (path / "config.yaml").is_file()


def run_model(run: str | Path) -> dict[str, Any]:
    """The model settings of a run folder or checkpoint, as `inherited_settings`. Raises WeightsError without any."""
    return {key: value for key, value in _run_section(run, "model").items() if key not in CHOSEN}


def run_compared(run: str | Path) -> dict[str, Any]:
    """The size of the compared network of a run folder or checkpoint, by its settings. Raises WeightsError."""
    compared = _run_section(run, "compared")
    return {key: compared.get(key) for key in ("width", "blocks")}


def run_stage(run: str | Path) -> str:
    """The stage of a run folder or checkpoint, adversarial where its configuration does not say. Raises WeightsError
    without one."""
    return _run_config(run).get("stage", "adversarial")


def run_networks(run: str | Path) -> dict[str, Any]:
    """All model settings of a run folder or checkpoint, also those that whoever goes on from it chooses."""
    return _run_section(run, "model")


def run_folder(run: str | Path) -> Path:
    """The folder of a run that is named by itself or by one of its checkpoints."""
    run = Path(run)
    return run if run.is_dir() else run.parent.parent


def run_checkpoint(run: str | Path) -> Path:
    """The checkpoint to go on from: the last of a run folder, or `run` itself."""
    run = Path(run)
    return run / "checkpoints" / "last.ckpt" if run.is_dir() else run


def _run_config(run: str | Path) -> dict[str, Any]:
    import yaml

    file = run_folder(run) / "config.yaml"
    try:
        return dict(yaml.safe_load(file.read_text()))
    except (OSError, yaml.YAMLError, TypeError, ValueError):
        raise WeightsError(f"{run}: no configuration of a run in {file}") from None


def _run_section(run: str | Path, section: str) -> dict[str, Any]:
    config = _run_config(run)
    if not isinstance(config.get(section), dict):
        raise WeightsError(f"{run}: its configuration has no section {section}")
    return config[section]


def register(name: str, file: Path, training: Path | None, folder: Path = PACKAGED) -> Entry:
    """Records the hashes of `name`'s files in the registry. Raises WeightsError where the file is too large to ship."""
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise WeightsError(f"{file}: {size / 1e6:.1f} MB; weights that are shipped have at most {MAX_BYTES / 1e6:.0f}")
    entry = Entry(sha256(file), None if training is None else sha256(training))
    entries = weight_names(folder) | {name: entry}
    write_json(folder / "registry.json", {name: asdict(entry) for name, entry in entries.items()})
    return entry


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
