"""facedeblur: train, compare and use face motion-deblurring networks (Chrysos, Favaro, Zafeiriou).

import facedeblur

deblur = facedeblur.load()  # the shipped weights; or a name, a file of weights, a run folder
sharp = deblur(image)  # an array, a tensor, a PIL image, or a batch of them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from facedeblur.inference.api import FaceDeblurrer

__version__ = "0.1.0"


def load(weights: str | Path | None = None, device: str = "auto") -> FaceDeblurrer:
    """The test-time network, the hourglass and G_bl alone, as a function of images: see `FaceDeblurrer.__call__`.

    Args:
        weights: the name of shipped weights (by default the last of them), a `.safetensors` file, a run folder
            (the checkpoint that validation chose, else the last), a checkpoint, or "blurred" for a copy of the input.
        device: where it runs; "auto" is the first GPU, or the processor where there is none.

    Raises:
        facedeblur.errors.UsageError: no such weights or device, or weights that cannot be read.
    """
    from facedeblur.inference.load import load as load_weights  # torch is imported here, not with the package

    return load_weights(weights, device)
