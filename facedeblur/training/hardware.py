"""What this machine offers: devices, native bf16, and threads per process."""

from __future__ import annotations

import torch

from facedeblur.cores import usable_cores
from facedeblur.models.devices import native_bf16, torch_device


def accelerator_name(requested: str) -> str:
    """Resolves `auto` to `cuda` where a GPU is visible, else `cpu`; `gpu` means `cuda`; `mps` is Apple's.

    Raises:
        ValueError: a GPU was asked for and none is visible.
    """
    if requested == "auto":
        return torch_device("auto").type
    name = {"gpu": "cuda"}.get(requested, requested)
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("trainer.accelerator: gpu was asked for and torch sees none; use trainer.accelerator=cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise ValueError(
            "trainer.accelerator: mps was asked for and torch sees no Apple GPU; use trainer.accelerator=cpu"
        )
    return name


def device_count(accelerator: str, requested: int | str) -> int:
    """Processes of the run: every visible GPU for `auto`, one process on a CPU unless more are asked for."""
    if requested != "auto":
        return int(requested)
    return torch.cuda.device_count() if accelerator == "cuda" else 1


def precision_name(accelerator: str, requested: str | int) -> str:
    """Lightning's precision string for `auto`, `32`, `bf16` or `fp16`."""
    if requested == "auto":
        requested = "bf16" if native_bf16(accelerator) else "32"
    return {"bf16": "bf16-mixed", "fp16": "16-mixed", "32": "32-true"}[str(requested)]


def set_threads(requested: int | str, processes: int = 1) -> int:
    """Fixes the number of compute threads of this process: equal results need equal threads.

    `auto` shares the usable cores between the processes of one machine.
    """
    cores = usable_cores()
    threads = max(1, cores // processes) if requested == "auto" else int(requested)
    torch.set_num_threads(threads)
    return threads
