"""What stops a stage before it starts names the key that mends it."""

from __future__ import annotations

import pytest

from facedeblur.training.settings import TrainerSettings
from facedeblur.training.stage_data import check_batches, planned_length


class Data:
    """A data module with 3 batches, or with a mixture that asks for too much."""

    def __init__(self, problem: str | None = None) -> None:
        self.problem = problem

    def batches_per_epoch(self, world: int = 1) -> int:
        if self.problem:
            raise ValueError(self.problem)
        return 3


@pytest.mark.parametrize("prefix", ("", "hourglass."))
def test_errors_name_the_key_of_their_stage(prefix):
    trainer = TrainerSettings(epochs=1, devices=1)
    check_batches(Data(), trainer, prefix)
    with pytest.raises(ValueError, match=f"^{prefix}data.mixture: 300 windows asked"):
        check_batches(Data("mixture: 300 windows asked of corpus a, the plan has 2"), trainer, prefix)
    with pytest.raises(ValueError, match=f"^{prefix}trainer.accumulate: an epoch has 3 batches"):
        check_batches(Data(), TrainerSettings(epochs=1, devices=1, accumulate=4), prefix)


def test_the_earlier_of_epochs_and_steps_ends_a_run():
    assert planned_length(TrainerSettings(epochs=3), 10) == (30, 3)
    assert planned_length(TrainerSettings(epochs=3, accumulate=4), 10) == (6, 3)  # two batches an epoch are left over
    assert planned_length(TrainerSettings(epochs=3, max_steps=12), 10) == (12, 2)
