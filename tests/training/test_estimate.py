"""What is printed before a run: measured without leaving a trace, and stopped by a disk that is too small."""

from __future__ import annotations

import errno

import pytest
import torch

from facedeblur.training.estimate import check_disk, checkpoint_bytes, seconds_per_batch
from facedeblur.training.run_folder import RunFolder


@pytest.mark.parametrize("kind", ("adversarial", "hourglass"))
def test_timing_a_step_leaves_weights_and_random_state_alone(make_stage, kind):
    stage = make_stage(kind)
    before = {name: value.clone() for name, value in stage.state_dict().items()}
    state = torch.get_rng_state()
    assert seconds_per_batch(stage, 2, 128, "cpu", "32-true", repeats=1) > 0
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in stage.state_dict().items())
    assert all(parameter.grad is None for parameter in stage.parameters())


def tensor_bytes(state) -> int:
    """All tensors of a checkpoint, but for the optimizers' step counters."""
    if isinstance(state, torch.Tensor):
        return state.nbytes if state.ndim else 0
    if isinstance(state, dict):
        return sum(map(tensor_bytes, state.values()))
    return sum(map(tensor_bytes, state)) if isinstance(state, (list, tuple)) else 0


@pytest.mark.parametrize(("kind", "ema"), [("adversarial", 0.9), ("adversarial", None), ("hourglass", None)])
def test_checkpoint_size_is_that_of_what_is_saved(make_stage, fit, kind, ema):
    from .conftest import random_batches

    stage = make_stage(kind, batches=1, ema=ema)
    fit(stage, random_batches(1))
    assert checkpoint_bytes(stage) == pytest.approx(tensor_bytes(stage.run_state()), rel=0.01)


def test_a_full_disk_is_found_before_training(tmp_path):
    check_disk(RunFolder(tmp_path), 1)
    with pytest.raises(OSError, match="needed for checkpoints") as caught:
        check_disk(RunFolder(tmp_path), 10**18)
    assert caught.value.errno == errno.ENOSPC
