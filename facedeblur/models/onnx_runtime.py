"""An exported network under ONNX Runtime, as a Deblurrer."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from facedeblur.errors import UsageError
from facedeblur.extras import need
from facedeblur.models.deblurrer import run_padded
from facedeblur.models.registry import METADATA


def onnx_packages() -> None:
    """Raises UsageError, with the remedy, where the extra `export` is not installed."""
    need("onnx", "onnx", "onnxruntime")


class OnnxDeblurrer:
    """A Deblurrer from a file that `facedeblur export --format onnx` wrote, on the CPU, without gradients.

    size: side of the crops the network was trained on, in pixels. Raises UsageError for a file that is not ours.
    """

    def __init__(self, file: str | Path, threads: int | None = None) -> None:
        onnx_packages()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads() if threads is None else threads
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            metadata = json.loads(self.session.get_modelmeta().custom_metadata_map[METADATA])
            self.size, self.multiple = int(metadata["model"]["image_size"]), int(metadata["multiple"])
        except Exception as error:  # onnxruntime's errors have no common base
            reason = str(error).splitlines()[0]
            raise UsageError(f"{file}: not a network that facedeblur exported ({reason})") from error

    def __call__(self, images: Tensor) -> Tensor:
        return run_padded(self._restore, images, torch.device("cpu"), self.multiple)

    def _restore(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self.session.run(["restored"], {"image": images.contiguous().numpy()})[0])
