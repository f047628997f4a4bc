"""A signal in mid-training: the step is finished and saved, a second signal ends at once, handlers are put back."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from pytorch_lightning import Callback

from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.training.callbacks.checkpoint import Checkpointer
from facedeblur.training.callbacks.interruption import Interruption
from facedeblur.training.run_folder import RunFolder

from ..conftest import random_batches


class Signals(Callback):
    """Sends itself `number` once the hook `name` is reached for the second time."""

    def __init__(self, name: str, number: int) -> None:
        self.left = 2
        self.number = number
        setattr(self, name, self.send)

    def send(self, *given) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def interrupted(make_stage, fit, tmp_path):
    """`interrupted(hook, number)` -> the stage, and the checkpoint or None; asserts how Lightning ended."""

    def run(hook: str, number: int, **settings):
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        folder = RunFolder(tmp_path / "run")
        folder.checkpoints.mkdir(parents=True)
        saver = Checkpointer(folder, minutes=60)
        stage = make_stage(batches=4, epochs=2, **settings)
        signals = Signals(hook, number)
        if hook == "after_step":  # in mid-step
            stage.after_step = signals.send
        ending = [signals, saver, Interruption(saver, "final")]
        with pytest.raises(SystemExit):  # how Lightning ends after a KeyboardInterrupt
            fit(stage, random_batches(4), val=random_batches(2), callbacks=ending)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        return stage, load_checkpoint(folder.last_checkpoint) if folder.last_checkpoint.exists() else None

    return run


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_in_mid_step_waits_for_its_end(interrupted, capsys, number):
    stage, saved = interrupted("after_step", number)
    assert saved["generator_step"] == stage.generator_step == 2 and saved["position"] == {"epoch": 0, "batch": 2}
    assert all(torch.equal(value, stage.networks_state()[name]) for name, value in saved["networks"].items())
    assert f"final: {signal.Signals(number).name}, saved at step 2 of 8" in capsys.readouterr().err


def test_gradients_that_are_gathered_are_waited_for(interrupted):
    _, saved = interrupted("on_train_batch_end", signal.SIGTERM, accumulate=4)
    assert saved["generator_step"] == 1 and saved["position"]["batch"] == 4


def test_a_signal_in_a_validation_ends_at_once_and_the_validation_is_still_owed(interrupted):
    stage, saved = interrupted("on_validation_batch_start", signal.SIGINT)
    assert saved["position"] == {"epoch": 0, "batch": 4} and saved["validated"] is False
    assert len(stage.validation_rows) == 2, "the second of two batches never came"
