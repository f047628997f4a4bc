"""Ctrl-C and SIGTERM in mid-training: a checkpoint first, then the end."""

from __future__ import annotations

import os
import signal
import sys
import threading

from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.training.callbacks.checkpoint import Checkpointer, any_rank

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(Callback):
    """Saves `last.ckpt` when the run is asked to end, and says at which step.

    A signal in mid-step waits for the end of the step, whose gradients no checkpoint holds; one that comes between
    two steps, or during a validation, ends the run at once. So does a second one. Several ranks decide together, at
    the end of a step. Must be the last of the callbacks.

    Signals are handled only in the main thread, and SIGTERM not in a job of submitit (see `signals`).
    """

    def __init__(self, checkpointer: Checkpointer, title: str):
        self.checkpointer, self.title = checkpointer, title
        self.asked: str | None = None  # the signal's name
        self.between = False  # weights, optimizers and position belong together
        self._before: dict = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.between, self._alone = True, trainer.world_size == 1
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if number == signal.SIGINT or "SUBMITIT_EXECUTOR" not in os.environ:
                self._before[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        first = self.asked is None
        self.asked = signal.Signals(number).name
        if not first or (self.between and self._alone):
            raise KeyboardInterrupt(self.asked)

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch, batch_idx: int) -> None:
        self.between = False

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if module.at_step_boundary:
            self.between = True  # before the question: a signal after it is acted upon by the handler
            self._end_if_asked(trainer)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._end_if_asked(trainer)

    def _end_if_asked(self, trainer: Trainer) -> None:
        if any_rank(trainer, self.asked is not None):
            self.asked = self.asked or "another rank"
            raise KeyboardInterrupt(self.asked)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        if self.asked and self.between and isinstance(exception, KeyboardInterrupt):
            self.checkpointer.save(trainer, module)
            if trainer.is_global_zero:
                step = f"step {module.generator_step} of {module.planned_steps}"
                print(f"{self.title}: {self.asked}, saved at {step}", file=sys.stderr, flush=True)
        self._restore()

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
