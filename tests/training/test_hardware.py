"""Devices, precision and threads, on whatever machine the tests run."""

from __future__ import annotations

import pytest
import torch

from facedeblur.training import hardware


def test_precision_names():
    assert hardware.precision_name("cpu", "32") == hardware.precision_name("cpu", 32) == "32-true"
    assert hardware.precision_name("cpu", "bf16") == "bf16-mixed"
    assert hardware.precision_name("cuda", "fp16") == "16-mixed"
    assert hardware.precision_name("cpu", "auto") == ("bf16-mixed" if hardware.native_bf16("cpu") else "32-true")


def test_devices():
    assert hardware.device_count("cpu", "auto") == 1 and hardware.device_count("cpu", 3) == 3


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hardware.accelerator_name("auto") == "cpu"
    with pytest.raises(ValueError, match="trainer.accelerator=cpu"):
        hardware.accelerator_name("gpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no Apple GPU"):
        hardware.accelerator_name("mps")


def test_threads_are_shared_between_processes():
    before = torch.get_num_threads()
    try:
        assert hardware.set_threads(3) == torch.get_num_threads() == 3
        alone = hardware.set_threads("auto")
        assert hardware.set_threads("auto", processes=2) == max(1, alone // 2)
    finally:
        torch.set_num_threads(before)
