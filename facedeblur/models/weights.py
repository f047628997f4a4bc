"""Files of weights: the test-time network in half precision, and apart from it what only training needs.

Both are safetensors under the tensor names of `Networks`. The shipped file holds `generator.*` and, where G_bl is
conditioned on it, `two_step.hourglass.*`; its metadata hold the model's settings and where the weights come from. The
training file holds the rest: the discriminator, G_s's encoder and the sharp stream's running statistics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facedeblur.files import write_atomic
from facedeblur.models.build import Networks, build_networks
from facedeblur.models.checkpoint import fill
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.registry import FORMAT, METADATA, TRAINING_SUFFIX, Located, WeightsError, locate, read_metadata
from facedeblur.models.settings import ModelSettings

IDENTITY = "identity."  # G_s, but for the tied decoder
SHIPPED_PARTS = ("generator.", "two_step.")
NEVER_READ = ("num_batches_tracked",)  # by batch norm with a fixed momentum
TRAINING_ONLY = ("sharp_running_mean", "sharp_running_var")


@dataclass(frozen=True, eq=False)
class Weights:
    """Shipped weights, in their networks: float32, on the CPU, in evaluation mode, without gradients.

    Attributes:
        name, file: what they are called, and where they lie.
        settings: of the networks.
        provenance: what the file says of its run.
        generator: G_bl.
        hourglass: the first step; None where G_bl has none.
    """

    name: str
    file: Path
    settings: ModelSettings
    provenance: Mapping[str, Any]
    generator: nn.Module
    hourglass: nn.Module | None

    def deblurrer(self, device: str | torch.device = "cpu") -> NetworkDeblurrer:
        """The networks, moved to `device`, as a Deblurrer."""
        for network in (self.generator, self.hourglass):
            if network is not None:
                network.to(device=device, memory_format=torch.channels_last)
        return NetworkDeblurrer(self.generator, self.hourglass, self.settings.image_size)


def load_weights(name: str | Path) -> Weights:
    """Registered weights by name, their hash verified, or a file by its path.

    Args:
        name: such as "no_identity-small-v3", or a `.safetensors` file.

    Returns:
        The networks; `Weights.deblurrer` makes them a function of images in [0, 1].

    Raises:
        UsageError: an unknown name (the known ones are listed), a damaged file, or tensors that do not fit the file's
            own settings; the first that does not is named.
    """
    found = locate(name)
    found.verify()
    settings, provenance = describe(found.file)
    networks = build_networks(replace(settings, identity=False))
    fill_shipped(networks, found)
    networks.requires_grad_(False).eval()
    return Weights(found.name, found.file, settings, provenance, networks.generator, networks.hourglass)


def describe(file: Path) -> tuple[ModelSettings, dict[str, Any]]:
    """A file's model settings and provenance, without its tensors. Raises WeightsError where this version lacks one."""
    metadata = read_metadata(file)
    try:
        return ModelSettings(**metadata["model"]), metadata["provenance"]
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"{file}: model settings unknown to this version of facedeblur: {error}") from error


def initialise(networks: Networks, name: str | Path) -> str:
    """Gives `networks` shipped weights to go on training from, and the discriminator and G_s where they are at hand.

    Returns a line that says what was taken. Raises UsageError naming the first tensor that does not fit.
    """
    found = locate(name)
    found.verify()
    fill_shipped(networks, found)
    taken = "generator" if networks.two_step is None else "generator and hourglass"
    if found.training is None:
        return f"{found.name}: {taken}; the discriminator starts anew ({found.name}{TRAINING_SUFFIX} is not here)"
    expected, tensors = training_state(networks), _read(found.training)
    brought = any(key.startswith(IDENTITY) for key in tensors)
    if networks.identity is None or not brought:  # one of the two has no G_s
        expected, tensors = without_identity(expected), without_identity(tensors)
    fill(expected, tensors, found.training)
    if networks.identity is None:
        return f"{found.name}: {taken}, discriminator"
    if not brought:
        return f"{found.name}: {taken}, discriminator; the identity stream starts anew (they were trained without one)"
    return f"{found.name}: {taken}, discriminator and identity stream"


def without_identity(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by name without those of G_s; its decoder is G_bl's."""
    return {key: value for key, value in tensors.items() if not key.startswith(IDENTITY)}


def shipped_state(networks: Networks) -> dict[str, Tensor]:
    """The tensors of the test-time network, which are those of `networks` themselves, by name."""
    return {
        key: value
        for key, value in _named(networks)
        if key.startswith(SHIPPED_PARTS) and not key.endswith((*NEVER_READ, *TRAINING_ONLY))
    }


def fill_shipped(networks: Networks, weights: Located) -> None:
    """Gives `networks` the test-time network of a file. Raises UsageError naming it and the first misfit."""
    fill(shipped_state(networks), _read(weights.file), weights.file)


def training_state(networks: Networks) -> dict[str, Tensor]:
    """The tensors that training needs beside the shipped ones; each of the tied decoder's is in one of the two once."""
    shipped = shipped_state(networks)
    return {key: value for key, value in _named(networks) if key not in shipped and not key.endswith(NEVER_READ)}


def write_weights(file: Path, tensors: Mapping[str, Tensor], settings: ModelSettings, provenance: Mapping) -> None:
    """Writes filters in half precision and vectors (biases, norms, a few kB) in full, atomically.

    Raises:
        WeightsError: a value has no half-precision neighbour.
    """
    from safetensors.torch import save_file

    halved = {key: (value.half() if value.ndim > 1 else value.float()).contiguous() for key, value in tensors.items()}
    for key, value in halved.items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"{file}: {key} is not finite in half precision")
    metadata = json.dumps({"format": FORMAT, "model": asdict(settings), "provenance": provenance})
    write_atomic(file, lambda path: save_file(halved, path, {METADATA: metadata}))


def _named(networks: Networks) -> Iterable[tuple[str, Tensor]]:
    # both iterators leave out what they met before under another name: the tied decoder of G_s
    yield from networks.named_parameters()
    yield from networks.named_buffers()


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file}: not a readable safetensors file ({error})") from error
