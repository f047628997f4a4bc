"""The moving average against its recursion computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facedeblur.training.stages.ema import WeightAverage


def test_recursion_and_buffers():
    module = nn.BatchNorm1d(1)
    average = WeightAverage(module, decay=0.9)
    expected, statistic = 1.0, 0.0
    for n in range(1, 5):
        with torch.no_grad():
            module.weight.fill_(float(n))
        module.running_mean.fill_(float(n))
        average.update(module)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
        statistic = decay * statistic + (1 - decay) * n
    assert average.average["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert average.average["running_mean"].item() == pytest.approx(statistic, rel=1e-6)
    assert average.average["num_batches_tracked"].item() == 0


def test_swapping_is_undone():
    module = nn.Linear(2, 2)
    average = WeightAverage(module, decay=0.5)
    before = module.weight.detach().clone()
    with torch.no_grad():
        module.weight.add_(1)
    with average.swapped_into(module):
        assert torch.equal(module.weight, before)
    assert torch.equal(module.weight, before + 1)
