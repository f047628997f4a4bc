"""Validations outside of the training loop."""

from __future__ import annotations

import pytest

from facedeblur.training.validations import owes_validation


@pytest.mark.parametrize(
    ("epoch", "batch", "step", "validated", "every", "owed"),
    [
        (0, 5, 5, False, 1, True),
        (0, 5, 5, True, 1, False),
        (0, 4, 4, False, 1, False),  # in mid-epoch
        (0, 5, 5, False, 2, False),  # the first of two epochs is not validated
        (1, 5, 10, False, 2, True),
        (2, 2, 12, False, 1, True),  # in mid-epoch, but the last step of all
        (2, 2, 12, True, 1, False),
        (2, 2, 12, False, 2, False),
    ],
)
def test_an_epoch_or_a_run_that_ended_without_its_validation_owes_it(epoch, batch, step, validated, every, owed):
    state = {"position": {"epoch": epoch, "batch": batch}, "generator_step": step, "validated": validated}
    assert owes_validation(state, 5, every, 12) is owed


def test_a_new_run_and_an_old_checkpoint_owe_nothing():
    assert not owes_validation(None, 5, 1, 12)
    assert not owes_validation({"position": {"epoch": 0, "batch": 5}, "generator_step": 5}, 5, 1, 12)
