"""Which device a name stands for."""

from __future__ import annotations

import torch


def torch_device(name: str | torch.device) -> torch.device:
    """The device of this name; "auto" is the first GPU, or the processor where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
