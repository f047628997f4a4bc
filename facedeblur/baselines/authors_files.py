"""Files of weights as authors release them: what network they hold, and its tensors under the names used here.

A file of `torch.save` or safetensors may wrap its tensors in dictionaries and prefix their names. Only tensors and
plain containers are read: a file that holds code is refused, never run.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from facedeblur.models.registry import WeightsError

# keys that tell a network, and no other of these holds all of: name -> keys, "..." for the rest of a name
FINGERPRINTS = {
    "nah17": ("body_models.0.body.0.weight", "conv_end_models.1.uppath.0.weight"),
    "kupyn17": ("model.1.weight", "model.10.conv_block.1.weight", "model.26.weight"),
    "nafnet": ("intro.weight", "middle_blks.0.conv1.weight", "ending.weight"),
    "chakrabarti16": ("band1", "layers.output.bias"),
    "MIMO-UNet": ("feat_extract.0.main.0.weight", "AFFs.0...."),
    "DeblurGAN-v2": ("fpn....", "smooth2....", "final.weight"),
    "Restormer": ("patch_embed.proj.weight", "encoder_level1.0.norm1.body.weight"),
    "GFPGAN": ("stylegan_decoder....", "conv_body_first....."),
    "CodeFormer": ("quantize.embedding.weight", "fuse_convs_dict...."),
    "a PatchGAN critic": ("model.0.weight", "model.2.weight", "model.11.weight"),
}
WRAPPERS = ("params_ema", "params", "state_dict", "model", "G")  # the first that is there
RUN_KEYS = ("format", "stage", "networks")  # of our own checkpoints


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """Tensors of one network. retrained: they come from a run of this project, not from the authors."""

    path: Path
    tensors: dict[str, Tensor]
    retrained: bool = False

    @property
    def origin(self) -> str:
        """What a row says of the weights."""
        return "retrained" if self.retrained else "authors' weights"


def read_network(path: str | Path, network: str) -> NetworkFile:
    """The tensors of `network`, a name of FINGERPRINTS, from the authors' file, or a run folder or checkpoint of ours.

    Raises:
        WeightsError: no such file, not readable, or of another network, which is named where it is known.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        best, last = path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"
        path = best if best.is_file() else last
    content = _read(path)
    if all(key in content for key in RUN_KEYS):
        if content["stage"] != network:
            raise WeightsError(f"{path}: holds a run of stage {content['stage']}, not of {network}")
        average = (content.get("average") or {}).get("average")
        prefix = "generator."
        tensors = average or {k.removeprefix(prefix): v for k, v in content["networks"].items() if k.startswith(prefix)}
        return NetworkFile(path, dict(tensors), retrained=True)
    tensors = unwrapped(content, path)
    found = identify(tensors)
    if found != network:
        held = found or f"an unknown network (its first tensors: {', '.join(list(tensors)[:3])})"
        raise WeightsError(f"{path}: holds {held}, not {network}")
    return NetworkFile(path, tensors)


def unwrapped(content: Mapping, path: str | Path) -> dict[str, Tensor]:
    """The innermost dictionary of tensors, "module." taken off their names. Raises WeightsError where there is none."""
    wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
    if wrapper is not None:
        return unwrapped(content[wrapper], path)
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        keys = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise WeightsError(f"{path}: holds no tensors by name, but {keys}")
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def identify(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the network whose keys these are; None for none of FINGERPRINTS."""
    for name, keys in FINGERPRINTS.items():
        if all(_present(key, tensors) for key in keys):
            return name
    return None


def _present(key: str, tensors: Mapping[str, Tensor]) -> bool:
    if key.endswith("..."):
        return any(name.startswith(key.rstrip(".") + ".") for name in tensors)
    return key in tensors


def _read(path: Path) -> Mapping:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:  # torch's long text is about how to run the code all the same
        raise WeightsError(
            f"{path}: not readable as a file of tensors: it is none, or holds code, which is never run; "
            "where it comes from, its tensors can be saved anew as safetensors"
        ) from error
    except Exception as error:  # of torch, zipfile or safetensors
        reason = (str(error).splitlines() or ["nothing in it"])[0]
        raise WeightsError(f"{path}: not readable as a file of tensors, perhaps cut short ({reason[:120]})") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__}, not tensors by name")
    return content
