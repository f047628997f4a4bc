"""Trained networks from a run folder or a checkpoint: what evaluation, export and deblurring start from.

A checkpoint is what training writes (`checkpoints/last.ckpt`); the run's `config.yaml` says which networks it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from facedeblur.errors import UsageError
from facedeblur.models.build import Networks, build_hourglass, build_networks
from facedeblur.models.deblurrer import Deblurrer, HourglassDeblurrer, NetworkDeblurrer
from facedeblur.models.landmarks import LandmarkHourglass
from facedeblur.models.registry import is_run, run_checkpoint  # noqa: F401 - the first for those who read runs
from facedeblur.models.settings import ModelSettings

FORMAT = 1


class CheckpointError(UsageError):
    """A checkpoint cannot be read, or does not belong where it is used."""


def load_checkpoint(path: str | Path) -> dict:
    """Reads a checkpoint of ours on the CPU.

    Raises:
        CheckpointError: no such file, not a checkpoint, or of another format.
    """
    path = Path(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except Exception as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({type(error).__name__})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a facedeblur checkpoint of format {FORMAT}")
    return state


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """The networks a run ships, on the CPU and in evaluation mode, with the moving average in place where it was kept.

    Attributes:
        checkpoint: its file.
        config: the run's whole configuration; `settings` are those of its networks.
        step: generator updates so far.
        generator: G_bl; None for a run of the hourglass stage.
        hourglass: the first step; None where G_bl has none.
        networks: those two together with what only training needs; None for a run of the hourglass stage.
    """

    checkpoint: Path
    config: Mapping[str, Any]
    settings: ModelSettings
    step: int
    generator: nn.Module | None
    hourglass: nn.Module | None
    networks: Networks | None = None

    def deblurrer(self, device: str | torch.device = "cpu") -> Deblurrer:
        """The networks, moved to `device`, as a Deblurrer."""
        for network in (self.generator, self.hourglass):
            if network is not None:
                network.to(device=device, memory_format=torch.channels_last)
        if self.generator is None:
            return HourglassDeblurrer(self.hourglass)
        return NetworkDeblurrer(self.generator, self.hourglass, self.settings.image_size)


def best_checkpoint(run: str | Path) -> Path:
    """The checkpoint that validation chose, or the last where no validation has run; a file is taken as it is."""
    run = Path(run)
    best = run / "checkpoints" / "best.ckpt"
    return best if best.is_file() else run


def load_run(path: str | Path) -> TrainedRun:
    """The trained networks of a run.

    Args:
        path: the run's folder, whose `last.ckpt` is read, or one checkpoint inside it.

    Returns:
        The networks on the CPU, in evaluation mode.

    Raises:
        CheckpointError: something is missing or unreadable, or the weights are of another architecture than the
            configuration says; the message names the first difference.
    """
    file, config, settings, state = _read_run(path)
    if state["stage"] == "localizer":
        raise CheckpointError(f"{file}: holds a localiser, which deblurs nothing; it can be a judge")
    step = int(state["generator_step"])
    if state["stage"] == "hourglass":
        hourglass = build_hourglass(settings)
        fill(hourglass.state_dict(), state["networks"], file)
        return TrainedRun(file, config, settings, step, None, hourglass.eval())
    networks = build_networks(settings)
    fill(networks.state_dict(), state["networks"], file)
    if state.get("average") is not None:
        networks.generator.load_state_dict(state["average"]["average"])
    return TrainedRun(file, config, settings, step, networks.generator.eval(), networks.hourglass, networks)


def load_landmark_network(path: str | Path) -> tuple[LandmarkHourglass, ModelSettings]:
    """The localiser of a run folder or checkpoint of `experiment=localizer`, and what it was built from.

    Raises:
        CheckpointError: as `load_run` does, and where the run trained something else.
    """
    file, _, settings, state = _read_run(path)
    if state["stage"] != "localizer":
        raise CheckpointError(f"{file}: holds the {state['stage']} stage, not a localiser")
    network = LandmarkHourglass(settings.hourglass_features, settings.hourglass_stacks)
    average = state.get("average")
    fill(network.state_dict(), average["average"] if average is not None else state["networks"], file)
    return network.eval(), settings


def _read_run(path: str | Path) -> tuple[Path, dict, ModelSettings, dict]:
    """The checkpoint's file, its run's configuration, the network's settings, and the checkpoint."""
    file = run_checkpoint(path)
    config = _read_config(file.parent.parent / "config.yaml")
    try:
        settings = ModelSettings(**config["model"])
    except (TypeError, ValueError) as error:
        known = ", ".join(field.name for field in fields(ModelSettings))
        raise CheckpointError(f"{file.parent.parent}/config.yaml: model: {error}; known keys: {known}") from error
    return file, config, settings, load_checkpoint(file)


@torch.no_grad()
def fill(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Copies `weights` of `source` into `expected`, a `state_dict()`.

    Raises:
        CheckpointError: naming the first that does not fit; nothing is copied then.
    """
    _check_fit(expected, weights, source)
    for name, value in expected.items():
        value.copy_(weights[name])


def _check_fit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Raises CheckpointError unless `weights` of `source` have the names and shapes of `expected`."""
    for name, value in expected.items():
        if name not in weights:
            raise CheckpointError(f"{source}: of another architecture: it has no {name}{_more(expected, weights)}")
        if weights[name].shape != value.shape:
            found, wanted = tuple(weights[name].shape), tuple(value.shape)
            raise CheckpointError(f"{source}: of another architecture: {name} is {found}, the model wants {wanted}")
    for name in weights:
        if name not in expected:
            raise CheckpointError(
                f"{source}: of another architecture: the model has no {name}{_more(weights, expected)}"
            )


def _more(names: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> str:
    count = sum(name not in others for name in names)
    return f" and {count - 1} more" if count > 1 else ""


def _read_config(path: Path) -> dict:
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; a run folder holds config.yaml and checkpoints/") from None
    except yaml.YAMLError as error:
        raise CheckpointError(f"{path}: not readable as YAML ({type(error).__name__})") from error
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise CheckpointError(f"{path}: has no section model; it is not a run's configuration")
    return config
