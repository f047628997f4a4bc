"""What stops a stage before it starts names the key that mends it."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch

from facedeblur.training.fit import check_batches, start_at_epoch
from facedeblur.training.settings import TrainerSettings


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


class Counting(pl.LightningModule):
    """Notes the epoch of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.epochs: list[int] = []

    def configure_optimizers(self) -> None:
        return None

    def training_step(self, batch: torch.Tensor, index: int) -> None:
        self.epochs.append(self.current_epoch)


@pytest.mark.parametrize(("first", "expected"), [(0, [0, 0, 1, 1, 2, 2]), (1, [1, 1, 2, 2]), (3, [])])
def test_lightning_counts_epochs_from_the_given_one(tmp_path, first, expected):
    loop = pl.Trainer(
        accelerator="cpu", max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    start_at_epoch(loop, first)
    module = Counting()
    loop.fit(module, torch.utils.data.DataLoader(torch.zeros(2, 1)))
    assert module.epochs == expected and loop.current_epoch == 3
