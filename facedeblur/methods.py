"""Methods by name: everything that can stand in a row of a table, each behind the Deblurrer interface.

`method=` of `facedeblur evaluate` is one of

    blurred, oracle                     the two that come with every table: the input itself, and the sharp image
    <run folder>, <run>/checkpoints/last.ckpt    a run of `facedeblur train`, by the checkpoint that validation chose
    <name of weights>, <file>.safetensors, <file>.onnx    weights that are shipped, or a file that export wrote
    <file>.py:<Class>, <module>.<Class>, <entry point>    a class of yours: `Class()` is called with (B, 3, H, W) in
                                        [0, 1] and gives the same; modules are moved to the device and evaluate
    pan16, krishnan11, nah17:<file>...  a compared method, see `facedeblur.baselines.names`
    all                                 every compared method that needs no file

and `<label>=` before any of them but "all" names its row; that of a network of others still says whose weights it has.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from facedeblur.baselines.names import CLASSICAL, LEARNED, is_baseline, load_baseline, network_of
from facedeblur.errors import UsageError
from facedeblur.models.checkpoint import best_checkpoint, is_run, load_run
from facedeblur.models.deblurrer import Blurred, Deblurrer
from facedeblur.models.onnx_runtime import OnnxDeblurrer
from facedeblur.models.registry import SUFFIX, weight_names
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import load_weights
from facedeblur.plugins import TARGET, is_target, make, registered, source_of

LABEL = re.compile(r"([A-Za-z0-9 ()&'.+_-]+)=(.+)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Method:
    """One row of a table.

    Attributes:
        name: what the row is called.
        deblurrer: images in [0, 1] to restored ones.
        image_size: side of the images it was trained on, None for any.
        sharp: it is given the sharp image, not the blurry one (the oracle).
        source: where it comes from, for the protocol; its "fingerprint" changes when the method does.
        spec: what it was loaded by; "" where another process cannot load it so.
    """

    name: str
    deblurrer: Deblurrer
    source: Mapping[str, Any] = field(default_factory=dict)
    image_size: int | None = None
    sharp: bool = False
    spec: str = ""


ALWAYS = ("blurred", "oracle")
ALL = "all"


def load_methods(specs: Sequence[str], device: str | torch.device = "cpu") -> list[Method]:
    """The rows of a table: "blurred" and "oracle", which come with every table, then those that are asked for.

    Args:
        specs: see the module; "all" stands for the compared methods, but for the networks whose weights are not named,
            which it says.
        device: where they run.

    Returns:
        The methods, in order; of several with one name each is called by its place.

    Raises:
        UsageError: a method that cannot be loaded, or two that are the same.

    >>> [method.name for method in load_methods(["krishnan11"])]
    ['blurred', 'oracle', 'krishnan11']
    """
    if ALL in specs:
        given = {network_of(_split(spec)[1]) for spec in specs}
        if missing := [name for name in LEARNED if name not in given]:
            print(f"method=all leaves out what has no weights: {', '.join(missing)}; <name>:<file> adds one",
                  file=sys.stderr)  # fmt: skip
        specs = [spec for given in specs for spec in (CLASSICAL if given == ALL else [given])]
        specs = list(dict.fromkeys(specs))
    wanted = [*ALWAYS, *(spec for spec in specs if spec not in ALWAYS)]
    methods = [load_method(spec, device) for spec in wanted]
    names = [method.name for method in methods]
    methods = [replace(m, name=_by_place(m)) if names.count(m.name) > 1 else m for m in methods]
    names = [method.name for method in methods]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"method: {name} is asked for twice; give one of them a label, label={name}")
    return methods


def load_method(spec: str, device: str | torch.device = "cpu") -> Method:
    """The method that a text stands for.

    Args:
        spec: a run folder, the name of weights, a file, a compared method, `<file>.py:<Class>`, or `<label>=` one of
            these; see the module.
        device: where it runs.

    Returns:
        The method, whose `deblurrer` maps images (B, 3, H, W) in [0, 1] to restored ones.

    Raises:
        UsageError: no such method, or one that cannot be loaded.

    >>> load_method("mine=xu13").name
    'mine'
    """
    label, unlabelled = _split(spec)
    if label:
        method = load_method(unlabelled, device)
        origin = method.source.get("weights", "")  # of a network of others; a label must not hide whose they are
        return replace(method, name=label if origin in label else f"{label} ({origin})")
    path = Path(spec).expanduser()
    if spec in ALWAYS:
        return Method(spec, Blurred(), {"kind": "registered", "fingerprint": spec}, sharp=spec == "oracle")
    if is_baseline(spec):
        return Method(*load_baseline(spec, device), spec=spec)
    if ".py:" in spec:
        return _plugin(spec, device)
    if path.exists() and is_run(path):
        run = load_run(best_checkpoint(path))  # what export ships and deblur uses
        name = str(run.config.get("experiment", path.name))
        source = {
            "kind": "run",
            "path": str(path),
            "checkpoint": run.checkpoint.name,
            "experiment": name,
            "seed": run.config.get("seed"),
            "steps": run.step,
            "model": _network(run.settings),
            "fingerprint": _hash(run.checkpoint.read_bytes()),
        }
        return Method(name, run.deblurrer(device), source, run.settings.image_size)
    if spec in weight_names() or (spec.endswith(SUFFIX) and path.is_file()):
        weights = load_weights(spec)
        source = {"kind": "weights", "path": str(weights.file), "provenance": weights.provenance}
        source["model"] = _network(weights.settings)
        source["fingerprint"] = _hash(weights.file.read_bytes())
        return Method(weights.name, weights.deblurrer(device), source, weights.settings.image_size)
    if path.suffix == ".onnx" and path.is_file():
        exported = OnnxDeblurrer(path)
        source = {"kind": "onnx", "path": str(path), "fingerprint": _hash(path.read_bytes())}
        return Method(path.stem, exported, source, exported.size)
    if path.is_dir():
        raise UsageError(f"method: {spec} is no run folder: it has no config.yaml")
    if spec in registered() or _of_a_module(spec):
        return _plugin(spec, device)
    names = ", ".join([*ALWAYS, *CLASSICAL, *LEARNED, *weight_names()])
    raise UsageError(f"method: {spec} is no run folder, no <file>.py:<Class> and none of {names}")


def _split(spec: str) -> tuple[str, str]:
    """The label, or "", and what it names."""
    labelled = None if Path(spec).exists() else LABEL.fullmatch(spec)
    return (labelled[1].strip(), labelled[2]) if labelled else ("", spec)


def _by_place(method: Method) -> str:
    """What a method is called beside another of its name; a compared one still says whose weights it has."""
    place = method.source.get("path", method.name)
    return f"{method.name}, {place}" if method.source.get("kind") == "baseline" and place != method.name else place


def _network(settings: ModelSettings) -> dict[str, Any]:
    """What decides whether a network is the paper's, whatever its size."""
    return {"generator": settings.generator, "global_residual": settings.global_residual}


def _of_a_module(spec: str) -> bool:
    return is_target(spec) and importlib.util.find_spec(spec.partition(".")[0]) is not None


def _plugin(spec: str, device: str | torch.device) -> Method:
    """An instance of the class that a target names, called by its attribute `name` or else by the class.

    Modules, the instance itself or its attributes, are moved to `device` and set to evaluation.
    """
    deblurrer = make({TARGET: spec}, "method")
    name = re.split(r"[.:]", spec)[-1]
    if not callable(deblurrer):
        raise UsageError(f"method: {spec}: {name}() must be callable with images (B, 3, H, W) in [0, 1]")
    for module in (deblurrer, *getattr(deblurrer, "__dict__", {}).values()):
        if isinstance(module, torch.nn.Module):
            module.to(device).eval()
    code = source_of(spec, "method")
    fingerprint = code.get("sha256", spec)[:16]
    source = {"kind": "file", "path": code.get("file", spec), "class": name, "fingerprint": fingerprint}
    return Method(str(getattr(deblurrer, "name", name)), deblurrer, source, getattr(deblurrer, "image_size", None))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
