"""A stage that dies at any point and is resumed leaves what an unbroken one leaves: weights, best, rows, pictures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl

from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.models.settings import LossWeights
from facedeblur.training.fit import StageRun, fit_stage
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import LoggerSettings, TrainerSettings
from facedeblur.training.stages.adversarial import AdversarialStage

from .conftest import MODEL, loader, random_batches

BATCHES, EPOCHS = 2, 2


class Data(pl.LightningDataModule):
    """The same batches in every epoch, from where training goes on."""

    items, samples, train_count, val_count = "windows", "pairs", 4, 2
    settings = SimpleNamespace(batch=2, size=128)

    def __init__(self) -> None:
        super().__init__()
        self.first = 0

    def batches_per_epoch(self, world: int = 1) -> int:
        return BATCHES

    def set_position(self, epoch: int, batch: int = 0) -> None:
        self.first = batch

    def train_dataloader(self):
        first, self.first = self.first, 0
        return loader(random_batches(BATCHES)[first:])

    def val_dataloader(self):
        return loader(random_batches(1, seed=5))


def run(folder, dies: str = "", resume: bool = True) -> None:
    """Trains; `dies` names the stage's method that throws when it is called for the second time."""
    trainer = TrainerSettings(
        EPOCHS, precision="32", accelerator="cpu", devices=1, threads=1, log_every=2, ema=0.9, checkpoint_minutes=1e-9
    )

    def make(**common):
        stage = AdversarialStage(MODEL, LossWeights(), None, **common)
        if dies:
            original, calls = getattr(stage, dies), []

            def method(*given):
                calls.append(given)
                if len(calls) == 2:
                    raise RuntimeError("the machine is gone")
                return original(*given)

            setattr(stage, dies, method)
        return stage

    with RunFolder(folder, resume=resume) as held:
        stage_run = StageRun("test", trainer, LoggerSettings(), 0, held, {}, resume)
        fit_stage(make, Data(), lambda stage: np.zeros((2, 2, 3), np.uint8), stage_run)


def left(folder) -> tuple:
    checkpoints = [load_checkpoint(folder / "checkpoints" / f"{name}.ckpt") for name in ("last", "best")]
    weights = [{name: value.numpy().tobytes() for name, value in state["networks"].items()} for state in checkpoints]
    told = [(state["generator_step"], state["position"], state["best"]) for state in checkpoints]
    pictures = sorted(path.name for path in (folder / "previews").iterdir())
    return weights, told, (folder / "metrics.csv").read_text(), pictures


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    run(folder, resume=False)
    return left(folder)


@pytest.mark.parametrize(
    ("dies", "saved"), [("after_step", 1), ("log_values", 2), ("validation_step", 4), ("images", 4)]
)
def test_whatever_it_dies_of(tmp_path, unbroken, dies, saved):
    """In mid-epoch, while the first validation is logged, and twice in the second validation."""
    with pytest.raises(RuntimeError, match="the machine is gone"):
        run(tmp_path, dies)
    assert load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["generator_step"] == saved
    run(tmp_path)
    assert left(tmp_path) == unbroken


def test_one_that_is_done_stays_as_it_is(tmp_path, unbroken):
    for _ in range(2):
        run(tmp_path)
    assert left(tmp_path) == unbroken
