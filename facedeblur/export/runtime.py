"""The test-time network for other runtimes, ONNX and TorchScript: images in [0, 1] in and out, of any batch and size.

Sides have to be multiples of 128 (`multiple` in the file's metadata), as the network's own. The file is accepted only
after its images equal the network's within 1e-4.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facedeblur.errors import UsageError
from facedeblur.export import SUFFIXES
from facedeblur.export.weights import provenance
from facedeblur.files import write_atomic
from facedeblur.models.checkpoint import best_checkpoint, is_run, load_run
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.fast import folded
from facedeblur.models.onnx_runtime import OnnxDeblurrer, onnx_packages
from facedeblur.models.registry import METADATA
from facedeblur.models.settings import SIDE_MULTIPLE, ModelSettings
from facedeblur.models.weights import load_weights

TOLERANCE = 1e-4
OPSET = 18
DYNAMIC = {name: {0: "batch", 2: "height", 3: "width"} for name in ("image", "restored")}


class UnitRange(nn.Module):
    """A network from [-1, 1] to [-1, 1], folded for evaluation, as one from [0, 1] to [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = folded(network)

    def forward(self, image: Tensor) -> Tensor:
        return ((self.network(2 * image - 1) + 1) / 2).clamp(0, 1)


def write_runtime(source: str, kind: str, out: Path) -> float:
    """Writes a run, or weights by name or file, as `kind`, "onnx" or "torchscript".

    Returns the largest difference of a restored image to the network's own, in [0, 1].

    Raises:
        UsageError: `out` has another suffix, an extra is missing, or the difference is above 1e-4; nothing is written.
    """
    if out.suffix != SUFFIXES[kind]:
        raise UsageError(f"{out}: {kind} is written to <name>{SUFFIXES[kind]}")
    if kind == "onnx":
        onnx_packages()
    deblurrer, source_metadata = _source(source)
    network = UnitRange(deblurrer.network)
    write = {"onnx": _write_onnx, "torchscript": _write_torchscript}[kind]
    read = {"onnx": OnnxDeblurrer, "torchscript": _read_torchscript}[kind]
    difference = float("inf")

    def write_checked(path: Path) -> None:
        nonlocal difference
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's, about the check of sides: it is repeated at run time
            write(network, torch.rand(1, 3, SIDE_MULTIPLE, SIDE_MULTIPLE), json.dumps(source_metadata), path)
        # smaller images than its own go through another network, where it has one in it
        side = SIDE_MULTIPLE if deblurrer.smaller is None else deblurrer.size
        difference = parity(deblurrer, read(path), side)
        if not difference <= TOLERANCE:
            raise UsageError(f"{out}: its images differ by {difference:.1e} from the network's; nothing written")

    write_atomic(out, write_checked)
    return difference


def parity(first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor], side: int = SIDE_MULTIPLE) -> float:
    """Largest difference of two Deblurrers on smooth random pictures: one square, and a batch of oblong ones.

    side: of the square, in pixels, a multiple of 128; the others are twice as wide.
    """
    worst = 0.0
    generator = torch.Generator().manual_seed(0)
    for shape in ((1, side, side), (2, side, 2 * side)):
        noise = torch.rand(shape[0], 3, 16, 16, generator=generator)
        images = nn.functional.interpolate(noise, size=shape[1:], mode="bicubic").clamp(0, 1)
        worst = max(worst, float((first(images) - second(images)).abs().max()))
    return worst


def _source(source: str) -> tuple[NetworkDeblurrer, dict[str, Any]]:
    if is_run(source):
        run = load_run(best_checkpoint(Path(source)))
        if run.generator is None:
            raise UsageError(f"{source}: holds only the hourglass stage; give a run of an adversarial stage")
        return run.deblurrer(), _metadata(run.settings, provenance(run))
    weights = load_weights(source)
    return weights.deblurrer(), _metadata(weights.settings, weights.provenance)


def _metadata(settings: ModelSettings, source_metadata: Any) -> dict[str, Any]:
    return {"multiple": SIDE_MULTIPLE, "model": asdict(settings), "provenance": source_metadata}


def _write_onnx(network: nn.Module, example: Tensor, metadata: str, path: Path) -> None:
    import onnx

    # The tracing exporter: the network has no control flow, it is quicker than torch.export by far, and leaves every
    # size free.
    torch.onnx.export(
        network,
        (example,),
        str(path),
        dynamo=False,
        input_names=["image"],
        output_names=["restored"],
        dynamic_axes=DYNAMIC,
        opset_version=OPSET,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA: metadata})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _write_torchscript(network: nn.Module, example: Tensor, metadata: str, path: Path) -> None:
    with torch.no_grad():
        traced = torch.jit.trace(network, example, check_trace=False)
    torch.jit.save(torch.jit.freeze(traced.eval()), str(path), _extra_files={METADATA: metadata})


def _read_torchscript(path: Path) -> Callable[[Tensor], Tensor]:
    module = torch.jit.load(str(path))
    return lambda images: module(images).detach()
