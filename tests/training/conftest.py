"""A stage small enough for unit tests, and batches as the data module hands them over."""

from __future__ import annotations

import logging

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.training.settings import TrainerSettings
from facedeblur.training.stages.adversarial import AdversarialStage
from facedeblur.training.stages.hourglass import HourglassStage

MODEL = ModelSettings(image_size=128, base_width=2, hourglass_features=8, hourglass_stacks=1)


def random_batches(count: int, batch: int = 2, seed: int = 0) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 2, batch, 3, 128, 128, generator=generator)
    meta = {"video": "v.mp4", "schedule": "vla", "start": 3, "length": 7, "reverse": False, "kernel_seed": None}
    meta |= {"corpus": "A", "identity": "p"}
    return [
        {"blurry": pair[0], "sharp": pair[1], "meta": [meta | {"start": i} for i in range(batch)], "replaced": []}
        for pair in images
    ]


def loader(batches: list[dict]) -> DataLoader:
    return DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch, generator=torch.Generator())


@pytest.fixture
def make_stage(tmp_path):
    """`make_stage(kind, batches=4, epochs=1, model={}, weights=None, **trainer)` -> stage."""

    def make(kind="adversarial", batches=4, epochs=1, weights=None, model=MODEL, **trainer):
        settings = TrainerSettings(**{"epochs": epochs, "log_every": 1, "precision": "32"} | trainer)
        common = {
            "settings": settings,
            "planned_steps": epochs * (batches // settings.accumulate),
            "batches_per_epoch": batches,
            "images_per_step": 2,
            "folder": tmp_path,
        }
        pl.seed_everything(0, verbose=False)
        if kind == "hourglass":
            return HourglassStage(model, **common)
        return AdversarialStage(model, weights or LossWeights(), None, **common)

    return make


@pytest.fixture
def fit(tmp_path):
    """`fit(stage, batches, val=None, callbacks=())`: trains under a bare Trainer and returns it."""

    def run(stage, batches, val=None, callbacks=(), logger=False):
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=stage.settings.epochs,
            callbacks=list(callbacks),
            logger=logger,
            num_sanity_val_steps=0,
            limit_val_batches=None if val else 0,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(stage, train_dataloaders=loader(batches), val_dataloaders=loader(val) if val else None)
        return trainer

    return run
