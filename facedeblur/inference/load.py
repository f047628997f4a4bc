"""From the name of weights, or the folder of a run, to a `FaceDeblurrer`."""

from __future__ import annotations

from pathlib import Path

import torch

from facedeblur.baselines.names import CLASSICAL, LEARNED, is_baseline, load_baseline
from facedeblur.errors import UsageError
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.models.checkpoint import best_checkpoint, is_run, load_run
from facedeblur.models.deblurrer import Blurred, NetworkDeblurrer
from facedeblur.models.devices import torch_device
from facedeblur.models.fast import accelerated
from facedeblur.models.onnx_runtime import OnnxDeblurrer
from facedeblur.models.registry import UnknownWeightsError, weight_names
from facedeblur.models.weights import load_weights

BASELINE_SIZE = 256  # of the crops that compared methods are given, in pixels: the paper's
COPY = "blurred"  # the method that returns its input: shows what everything but the network does


def load(weights: str | Path | None = None, device: str | torch.device = "auto") -> FaceDeblurrer:
    """The test-time network: the hourglass and G_bl, nothing else of what was trained.

    Args:
        weights: the name of shipped weights (by default the last of them), a `.safetensors` file, a run folder
            (the checkpoint that validation chose, else the last), a checkpoint, an exported `.onnx` file (which runs
            on the processor), the name of a compared method ("pan16", "nah17:FILE", see `facedeblur.baselines.names`),
            or "blurred" for a copy of the input.
        device: where it runs; "auto" is the first GPU, or the processor where there is none.

    The network computes in bfloat16 where the hardware does (`facedeblur.models.fast`): within a grey level of float32.

    Raises:
        UsageError: no such weights or device, or weights that cannot be read.
    """
    device = _usable(device)
    if str(weights) == COPY:
        return FaceDeblurrer(Blurred(), 128, COPY)
    if is_baseline(str(weights)):
        name, baseline, _ = load_baseline(str(weights), device)
        return FaceDeblurrer(baseline, BASELINE_SIZE, name)
    weights = weights or default_weights()
    if str(weights).endswith(".onnx"):
        exported = OnnxDeblurrer(weights)
        return FaceDeblurrer(exported, exported.size, str(weights))
    try:
        found = load_run(best_checkpoint(weights)) if is_run(weights) else load_weights(weights)
    except UnknownWeightsError as error:
        compared = ", ".join([*CLASSICAL, *(f"{name}:FILE" for name in LEARNED)])
        raise UsageError(f"{error}, or a compared method: {compared}") from None
    deblurrer = found.deblurrer(device)
    if isinstance(deblurrer, NetworkDeblurrer):
        deblurrer = accelerated(deblurrer)
    size = found.settings.image_size
    if isinstance(deblurrer, NetworkDeblurrer) and deblurrer.smaller is not None:
        size = deblurrer.smaller.size  # of videos, where time counts; each face of a photo gets the size that suits it
    return FaceDeblurrer(deblurrer, size, str(weights))


def default_weights() -> str:
    """The name of the weights registered last. Raises UsageError where none are shipped."""
    names = list(weight_names())
    if not names:
        raise UsageError("no weights are shipped with this version; train some and give --weights RUN_FOLDER")
    return names[-1]


def _usable(name: str | torch.device) -> torch.device:
    try:
        device = torch_device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name}: cannot be used ({str(error).splitlines()[0]})") from None
    return device
