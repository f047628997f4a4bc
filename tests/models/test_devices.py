"""Names of devices."""

from __future__ import annotations

import pytest
import torch

from facedeblur.models.devices import torch_device


@pytest.mark.parametrize(("available", "expected"), [(False, "cpu"), (True, "cuda")])
def test_auto_is_the_gpu_where_there_is_one(monkeypatch, available, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert torch_device("auto") == torch.device(expected)


def test_a_named_device_stays_what_it_is():
    assert torch_device("cuda:1") == torch.device("cuda", 1)
    assert torch_device(torch.device("cpu")) == torch.device("cpu")
