"""Fitting a stage under Lightning."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch

from facedeblur.training.fit import start_at_epoch


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
