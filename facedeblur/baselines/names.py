"""The compared methods by name; a method's module is imported when it is asked for.

    krishnan11, babacan12, zhang13, xu13, pan14_text, pan14_faces, pan16, l0    by their equations: the name is enough
    pan14_faces:NPZ                          with exemplars of yours, see `facedeblur exemplars`; or "none"
    nah17:FILE, kupyn17:FILE, chakrabarti16:FILE, nafnet:FILE    networks: FILE holds the authors' weights, or is a run
                                                                 of experiment=nah17 ..., which needs no name before it

In the paper's tables "Pan et al (2014a)" is pan14_faces and "Pan et al (2014b)" pan14_text.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from facedeblur.errors import UsageError

if TYPE_CHECKING:  # names are looked up before torch is loaded
    import torch

    from facedeblur.models.deblurrer import Deblurrer

# name -> module of this package : class
CLASSICAL = {
    "krishnan11": "krishnan11:Krishnan11",
    "babacan12": "babacan12:Babacan12",
    "zhang13": "zhang13:Zhang13",
    "xu13": "xu13:Xu13",
    "pan14_faces": "pan14_faces:Pan14Faces",
    "pan14_text": "pan:Pan14Text",
    "pan16": "pan:Pan16",
    "l0": "pan:L0Deblurrer",
}
LEARNED = {
    "nah17": "networks:Nah17",
    "kupyn17": "networks:Kupyn17",
    "chakrabarti16": "chakrabarti16:Chakrabarti16",
    "nafnet": "networks:Nafnet",
}


def is_baseline(spec: str) -> bool:
    """Whether `spec` is one of the names, with or without a file, or a run that trained one of the networks."""
    name, colon, _ = spec.partition(":")
    with_file = name in LEARNED or name == "pan14_faces"
    return with_file or (name in CLASSICAL and not colon) or trained_network(spec) is not None


def trained_network(run: str) -> str | None:
    """Which of the networks a run folder, or a checkpoint inside one, has trained; None for none of them."""
    path = Path(run).expanduser()
    folder = path.parent.parent if path.suffix == ".ckpt" else path
    try:
        stage = yaml.safe_load((folder / "config.yaml").read_text())["stage"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None  # loading it will say what is wrong
    return stage if stage in LEARNED else None


def network_of(spec: str) -> str | None:
    """Which of the networks `spec` is of, with a file or by a run of ours; None for anything else."""
    name = spec.partition(":")[0]
    return name if name in LEARNED else trained_network(spec)


def load_baseline(spec: str, device: str | torch.device = "cpu") -> tuple[str, Deblurrer, dict[str, Any]]:
    """The method that `spec` names, on the device: the name of its row, itself, and its source for the protocol.

    The source's "fingerprint" changes with the method's version and with what it was given. Raises UsageError for a
    network without a file, or with one that cannot be read or holds another network.
    """
    trained = trained_network(spec)
    name, path = (trained, spec) if trained else spec.partition(":")[::2]
    if name in CLASSICAL:
        made = _class(CLASSICAL[name])(device=device, **({"exemplars": path} if path else {}))
        given: Mapping[str, Any] = getattr(made, "given", {})
        source = {"kind": "baseline", "version": made.version, **given}
        return name, made, {**source, "fingerprint": _fingerprint(name, made.version, *given.values())}
    if not path:
        raise UsageError(f"{name} needs its weights: {name}:FILE; docs/networks.md says where they are to be had")
    made = _class(LEARNED[name])(path, device=device)
    source = {"kind": "baseline", "version": made.version, "path": str(made.path), "weights": made.origin}
    source |= getattr(made, "given", {})
    source["fingerprint"] = _fingerprint(name, made.version, made.fingerprint)
    return f"{name} ({made.origin})", made, source


def _fingerprint(*parts: object) -> str:
    return "-".join(map(str, parts))


def _class(target: str) -> type:
    module, _, name = target.partition(":")
    return getattr(import_module(f"facedeblur.baselines.{module}"), name)
