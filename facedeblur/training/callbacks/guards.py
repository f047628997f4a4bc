"""What ends a run early: a time limit, or a loss that is not a number."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from facedeblur.errors import UsageError
from facedeblur.files import write_json
from facedeblur.training.callbacks.checkpoint import any_rank, save_checkpoint


class NanLossError(UsageError):
    """A loss is NaN or infinite."""


class TimeLimit(Callback):
    """Stops so early before `deadline` (of time.monotonic) that one more validation is over by then, as far as the
    longest so far shows how long it may be; the learning-rate schedule, planned over steps, takes no notice.
    """

    def __init__(self, deadline: float):
        self.deadline = deadline
        self.validation = 0.0  # seconds of the longest

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.began = time.monotonic()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.validation = max(self.validation, time.monotonic() - self.began)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs, batch, batch_idx: int) -> None:
        if not module.at_step_boundary:  # gradients accumulated so far are in no checkpoint
            return
        trainer.should_stop |= any_rank(trainer, time.monotonic() + self.validation > self.deadline)


def nan_loss(losses: dict[str, torch.Tensor], step: int, batch: dict, folder: Path, rank: int = 0) -> NanLossError:
    """The error that ends a run whose losses are not finite, after saving the batch where this rank met them.

    Writes `nan/step_<n>_rank_<r>.pt` (the images as given to the network) and `.json` (losses, and for each pair
    what regenerates it) into the run folder.
    """
    bad = [name for name, value in losses.items() if not torch.isfinite(value).all()]
    if not bad:
        return NanLossError(
            f"step {step}: a loss of another rank is not finite; its batch is saved in {folder / 'nan'}"
        )
    stem = folder / "nan" / f"step_{step:07d}_rank_{rank}"
    tensors = {name: value.detach().cpu() for name, value in batch.items() if isinstance(value, torch.Tensor)}
    save_checkpoint(stem.with_suffix(".pt"), tensors)
    values = {name: float(value) for name, value in losses.items()}
    write_json(stem.with_suffix(".json"), {"step": step, "losses": values, "pairs": batch["meta"]})
    where = ", ".join(map(_named, batch["meta"][:4]))
    return NanLossError(
        f"step {step}: {', '.join(bad)} not finite on {where}...; batch saved as {stem}.pt; "
        "a lower trainer.learning_rate or trainer.precision=32 are the usual remedies"
    )


def _named(meta: dict) -> str:
    """A sample's file, and its window where it has one."""
    window = f"@{meta['start']}+{meta['length']}" if "start" in meta else ""
    return f"{Path(meta['video']).name}{window}"
