"""Which device a name stands for, and where bfloat16 pays."""

from __future__ import annotations

import torch


def torch_device(name: str | torch.device) -> torch.device:
    """The device of this name; "auto" is the first GPU, or the processor where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def native_bf16(accelerator: str) -> bool:
    """Whether bf16 autocast pays: hardware units on a GPU, AVX512-BF16 or AMX on a CPU (emulated, it is slower)."""
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        return "AVX512" in capability and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return False
