from __future__ import annotations

import pytest
import torch

from facedeblur.metrics.temporal import flicker


def test_a_constant_error_does_not_flicker_and_an_alternating_one_does():
    sharp = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 2
    assert flicker(sharp + 0.25, sharp).item() == pytest.approx(0, abs=1e-7)
    alternating = torch.tensor([0.1, -0.1] * 3)[:, None, None, None]
    assert flicker(sharp + alternating, sharp).item() == pytest.approx(0.2, abs=1e-6)
    assert flicker(alternating.expand_as(sharp)).item() == pytest.approx(0.2, abs=1e-6)
    assert flicker(sharp).item() > 0.1


def test_one_frame_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        flicker(torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="reference"):
        flicker(torch.rand(2, 3, 8, 8), torch.rand(3, 3, 8, 8))
