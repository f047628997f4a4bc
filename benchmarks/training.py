"""The adversarial step under Lightning against a bare PyTorch loop of the same networks, and bf16 against float32."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from benchmarks.timing import paired, ratio_line
from facedeblur.losses import DiscriminatorLoss, GeneratorLoss
from facedeblur.models.build import build_networks
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.training import hardware
from facedeblur.training.callbacks.checkpoint import Checkpointer
from facedeblur.training.callbacks.progress import TrainingProgress
from facedeblur.training.loggers.csv_log import MetricsCsv
from facedeblur.training.run_folder import RunFolder
from facedeblur.training.settings import TrainerSettings
from facedeblur.training.stages.adversarial import AdversarialStage

MODEL = ModelSettings(image_size=128, base_width=16, hourglass_features=64, hourglass_stacks=1)
BATCH, STEPS = 8, 12


def batches(count: int) -> list[dict]:
    """Random batches as the data module hands them over: float32 in [0, 1], channels last."""
    torch.manual_seed(0)
    images = [torch.rand(2, BATCH, 3, 128, 128) for _ in range(4)]
    return [
        {
            "blurry": images[i % 4][0].contiguous(memory_format=torch.channels_last),
            "sharp": images[i % 4][1].contiguous(memory_format=torch.channels_last),
            "meta": [],
            "replaced": [],
        }
        for i in range(count)
    ]


class BareLoop:
    """The step of section 3.2 with nothing around it: two optimizers, autocast, no logs, no checks, no callbacks."""

    def __init__(self, precision: str):
        torch.manual_seed(0)
        self.networks = build_networks(MODEL).to(memory_format=torch.channels_last).train()
        self.generator_loss, self.discriminator_loss = GeneratorLoss(), DiscriminatorLoss()
        adam = {"lr": 2e-4, "betas": (0.5, 0.999), "foreach": True}
        self.optimizer_g = torch.optim.Adam(self.networks.generator_parameters(), **adam)
        self.optimizer_d = torch.optim.Adam(self.networks.discriminator.parameters(), **adam)
        self.bf16 = precision.startswith("bf16")
        self.data = batches(STEPS)

    def __call__(self) -> None:
        for batch in self.data:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                self.step(2 * batch["blurry"] - 1, 2 * batch["sharp"] - 1)

    def step(self, blurry, sharp) -> None:
        n = self.networks
        output, reconstruction = n.generator(n.condition(blurry)), n.identity(sharp)
        real, _ = n.discriminator(sharp, blurry)
        fake, _ = n.discriminator(output.detach(), blurry)
        self.discriminator_loss(real, fake)["total"].backward()
        self.optimizer_d.step()
        self.optimizer_d.zero_grad(set_to_none=True)
        n.discriminator.requires_grad_(False)
        logits, features = n.discriminator(output, blurry)
        with torch.no_grad():
            real_features = n.discriminator(sharp, blurry)[1]
        n.discriminator.requires_grad_(True)
        losses = self.generator_loss(
            output,
            sharp,
            fake_logits=logits,
            fake_features=features,
            real_features=real_features,
            reconstruction=reconstruction,
        )
        losses["total"].backward()
        self.optimizer_g.step()
        self.optimizer_g.zero_grad(set_to_none=True)


class LightningLoop:
    """The product's own stage under its Trainer, with the callbacks and the CSV log of a real run."""

    def __init__(self, precision: str, folder: Path):
        pl.seed_everything(0, verbose=False)
        run = RunFolder(folder)
        self.loader = DataLoader(batches(STEPS), batch_size=None, collate_fn=lambda batch: batch)
        settings = TrainerSettings(epochs=10**6)
        self.stage = AdversarialStage(
            MODEL,
            LossWeights(),
            None,
            settings=settings,
            planned_steps=10**6,
            batches_per_epoch=STEPS,
            images_per_step=BATCH,
            folder=folder,
        )
        self.trainer = pl.Trainer(
            accelerator="cpu",
            precision=precision,
            max_epochs=0,
            limit_val_batches=0,
            logger=[MetricsCsv(folder / "metrics.csv")],
            callbacks=[TrainingProgress("bench", 10**6, every=10**6), Checkpointer(run, 10**6)],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        self.stage.on_train_end = lambda: None
        self.trainer.callbacks[-1].on_train_end = lambda *_: None  # writing the last checkpoint is not the step

    def __call__(self) -> None:
        self.trainer.fit_loop.max_epochs = self.trainer.current_epoch + 1
        with contextlib.redirect_stderr(io.StringIO()):  # its progress lines would stand between the ratios
            self.trainer.fit(self.stage, train_dataloaders=self.loader)


def report(rounds: int) -> list[str]:
    """The two training ratios."""
    import logging
    import warnings

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    hardware.set_threads("auto")
    precision = hardware.precision_name("cpu", "auto")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        lightning, bare = paired(LightningLoop(precision, Path(folder)), BareLoop(precision), rounds)
    lines.append(ratio_line(f"training step, Lightning / bare loop ({precision})", lightning, bare, "at most 1.05"))
    if hardware.native_bf16("cpu"):
        half, full = paired(BareLoop("bf16-mixed"), BareLoop("32-true"), rounds)
        lines.append(ratio_line("adversarial step, bf16 / float32", half, full, "below 1 where bf16 is native"))
    else:
        lines.append("bf16 / float32: this processor has no native bf16; float32 is used")
    return lines


if __name__ == "__main__":
    command = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    command.add_argument("--rounds", type=int, default=5, help="paired turns per ratio")
    print("\n".join(report(command.parse_args().rounds)))
