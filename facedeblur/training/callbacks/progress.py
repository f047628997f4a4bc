"""Progress of training: a bar with losses, speed and ETA on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from facedeblur.progress import clock


class TrainingProgress(Callback):
    """Shows step, epoch, the latest losses, images per second and the time left.

    Args:
        title: what is trained, e.g. `hourglass`.
        planned_steps: generator steps of the whole run.
        deadline: of the run (time.monotonic), which can end it before the last planned step.
        every: seconds between two lines where there is no terminal.
    """

    def __init__(self, title: str, planned_steps: int, deadline: float | None = None, every: float = 15.0):
        self.title, self.planned, self.deadline, self.every = title, planned_steps, deadline, every
        self.bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.started = time.monotonic()
        self.printed = self.started - self.every + min(1.0, self.every)  # a first sign of life
        self.first_step = module.generator_step
        if trainer.is_global_zero and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.task = self.bar.add_task(self.title, total=self.planned, text="")
            self.bar.start()

    def _text(self, module: LightningModule) -> str:
        elapsed = time.monotonic() - self.started
        done = module.generator_step - self.first_step
        speed = done / elapsed if elapsed > 0 else 0.0
        left = (self.planned - module.generator_step) / speed if speed else 0.0
        if self.deadline is not None:
            left = min(left, max(0.0, self.deadline - time.monotonic()))
        latest = module.latest_losses
        losses = "  ".join(
            f"{short} {latest[name]:.3g}" for name, short in module.shown_losses.items() if name in latest
        )
        return (
            f"step {module.generator_step}/{self.planned}  epoch {module.position['epoch'] + 1}  {losses}  "
            f"{speed * module.images_per_step:.1f} img/s  {clock(elapsed)} < {clock(left)}"
        )

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if not trainer.is_global_zero:
            return
        if self.bar is not None:
            self.bar.update(self.task, completed=module.generator_step, text=self._text(module))
        elif time.monotonic() - self.printed > self.every:
            self.printed = time.monotonic()
            print(f"{self.title}: {self._text(module)}", file=sys.stderr, flush=True)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if not trainer.is_global_zero or trainer.state.fn != "fit":
            return
        line = "  ".join(f"{key.removeprefix('val/')} {value:.4g}" for key, value in module.validation_scores.items())
        message = f"{self.title}: epoch {module.position['epoch'] + 1} validated  {line}"
        if self.bar is not None:
            self.bar.console.print(message, highlight=False)
        else:
            print(message, file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        self._close()
