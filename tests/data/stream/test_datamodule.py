from __future__ import annotations

import logging

import pytest
import pytorch_lightning as pl
import torch

from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.datamodule import PairDataModule
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

SETTINGS = LoaderSettings(size=16, batch=4, workers=0, seed=1, buffer=10, epoch_windows=22, val_windows=12)


@pytest.fixture
def module(clip_set) -> PairDataModule:
    return make(clip_set)


def make(clip_set) -> PairDataModule:
    train = clip_set.plan.select(clip_set.plan.column("corpus") == "A")
    val = clip_set.plan.select(clip_set.plan.column("corpus") == "B")
    return PairDataModule(train, val, (MixtureRow("A", weight=1.0),), SETTINGS, AugmentSettings(flip=0.5))


class Recorder(pl.LightningModule):
    """Remembers (epoch, rows) of every batch; `stop_at` ends the process's work after so many batches."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, list[int]]] = []
        self.validated: list[int] = []
        self.stop_at = stop_at

    def training_step(self, batch, index):
        self.seen.append((self.current_epoch, [meta["row"] for meta in batch["meta"]]))
        self.form = batch["blurry"]
        return self.weight.sum() + batch["blurry"].mean()

    def on_train_batch_end(self, *_):
        if len(self.seen) == self.stop_at:
            self.trainer.save_checkpoint(self.trainer.default_root_dir + "/stopped.ckpt")
            raise KeyboardInterrupt

    def validation_step(self, batch, index):
        self.validated += [meta["row"] for meta in batch["meta"]]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(folder, **values) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, **values,
    )  # fmt: skip


def test_steps_get_floats_in_the_unit_range(module, tmp_path):
    recorder = Recorder()
    trainer(tmp_path, limit_train_batches=1).fit(recorder, datamodule=module)
    assert recorder.form.shape == (4, 3, 16, 16)
    assert recorder.form.dtype == torch.float32
    assert recorder.form.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= recorder.form.min() < recorder.form.max() <= 1


@pytest.mark.parametrize("reload", [0, 1])
def test_an_epoch_of_training_is_an_epoch_of_the_stream(clip_set, tmp_path, reload):
    recorder, module = Recorder(), make(clip_set)
    trainer(tmp_path, reload_dataloaders_every_n_epochs=reload).fit(recorder, datamodule=module)
    expected = make(clip_set).train_dataloader()
    assert recorder.seen == [(e, [m["row"] for m in b["meta"]]) for e in range(3) for b in expected]
    assert len(recorder.seen) == 3 * 5 == 3 * module.batches_per_epoch()
    assert module.state_dict() == {"epoch": 3, "batch": 0}
    # validated before training (two batches) and after each epoch, always the same
    assert recorder.validated[8:20] == recorder.validated[20:32] == recorder.validated[32:]


@pytest.mark.parametrize("stop_at", [3, 5, 8])
def test_lightnings_own_checkpoint_goes_on_in_mid_epoch(clip_set, tmp_path, stop_at):
    whole = Recorder()
    trainer(tmp_path).fit(whole, datamodule=make(clip_set))
    first, second = Recorder(stop_at), Recorder()
    with pytest.raises(SystemExit):
        trainer(tmp_path).fit(first, datamodule=make(clip_set))
    trainer(tmp_path).fit(
        second, datamodule=make(clip_set), ckpt_path=str(tmp_path / "stopped.ckpt"), weights_only=False
    )
    assert first.seen + second.seen == whole.seen


def test_set_position_shortens_the_first_epoch(clip_set, tmp_path):
    whole, rest = Recorder(), Recorder()
    trainer(tmp_path).fit(whole, datamodule=make(clip_set))
    module = make(clip_set)
    module.set_position(1, 2)
    assert len(module.train_dataloader()) == 3
    loop = trainer(tmp_path, reload_dataloaders_every_n_epochs=1)
    loop.fit(rest, datamodule=module)
    assert [rows for _, rows in rest.seen][:8] == [rows for _, rows in whole.seen][7:]
    assert len(rest.validated) == 8 + 3 * 12


def test_the_position_is_that_of_training(module):
    batches = iter(module.train_dataloader())
    assert module.state_dict() == {"epoch": 0, "batch": 0}
    next(batches), next(batches)
    assert module.state_dict() == {"epoch": 0, "batch": 2}
    module.teardown("fit")
    assert module.state_dict() == {"epoch": 0, "batch": 2}
    assert len(list(module.train_dataloader())) == 3


def test_the_remainder_is_logged_once(module, caplog):
    with caplog.at_level(logging.INFO, "facedeblur.data.stream.datamodule"):
        module.train_dataloader()
        module.train_dataloader()
    assert len(caplog.records) == 1
    assert "20 of" in caplog.text
    assert "2 more were drawn" in caplog.text


def test_validation_windows_are_few_fixed_and_spread(module):
    assert len(module.val_windows) == 12
    assert set(module.val_windows.column("corpus")) == {"B"}
    assert set(module.val_windows.column("identity")) == {"id_3", "id_4"}
    rows = [meta["row"] for batch in module.val_dataloader() for meta in batch["meta"]]
    assert sorted(rows) == list(range(12))


def test_a_batch_the_ranks_cannot_share(module):
    with pytest.raises(ValueError, match="batch: a multiple of 4 rank"):
        module.batches_per_epoch(4)
    assert module.batches_per_epoch(2) == module.batches_per_epoch(1) == 5


def test_plans_without_windows(clip_set):
    empty = Plan.concat([])
    with pytest.raises(ValueError, match="no window of corpus A"):
        PairDataModule(empty, clip_set.plan, (MixtureRow("A", weight=1.0),), SETTINGS).train_dataloader()
