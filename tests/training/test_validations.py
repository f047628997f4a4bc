"""Validations outside of the training loop."""

from __future__ import annotations

import pytest

from facedeblur.training.validations import owes_validation


@pytest.mark.parametrize(
    ("epoch", "batch", "validated", "every", "owed"),
    [
        (0, 5, False, 1, True),
        (0, 5, True, 1, False),
        (0, 4, False, 1, False),  # in mid-epoch
        (0, 5, False, 2, False),  # the first of two epochs is not validated
        (1, 5, False, 2, True),
    ],
)
def test_an_epoch_that_ended_without_its_validation_owes_it(epoch, batch, validated, every, owed):
    state = {"position": {"epoch": epoch, "batch": batch}, "validated": validated}
    assert owes_validation(state, 5, every) is owed


def test_a_new_run_and_an_old_checkpoint_owe_nothing():
    assert not owes_validation(None, 5, 1)
    assert not owes_validation({"position": {"epoch": 0, "batch": 5}}, 5, 1)
