"""The tensors that training of a compared network starts from: the authors' file, or a run of ours."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from facedeblur.baselines.authors_files import read_network
from facedeblur.baselines.chakrabarti16 import read_chakrabarti16
from facedeblur.baselines.networks import kupyn17_tensors


def generator_tensors(network: str, path: str | Path) -> dict[str, Tensor]:
    """The generator of `network` (nah17, kupyn17, chakrabarti16 or nafnet) from a file, by the names of its module.

    Raises:
        WeightsError: no such file, not readable, or of another network, which is named where it is known.
    """
    if network == "chakrabarti16":
        return read_chakrabarti16(path).tensors
    file = read_network(path, network)
    return kupyn17_tensors(file.tensors, file.path) if network == "kupyn17" else file.tensors
