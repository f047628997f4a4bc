"""What both training stages share: our own step counter, learning-rate schedule, logging, validation and state."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from facedeblur.metrics.image import psnr, ssim
from facedeblur.training.checkpoint import FORMAT, set_rng_state
from facedeblur.training.guards import check_finite
from facedeblur.training.settings import TrainerSettings


def decayed_rate(step: int, planned: int, decay_start: float) -> float:
    """Factor of the learning rate at a step: 1 until `decay_start * planned`, then linearly to 0 at `planned`."""
    start = decay_start * planned
    return 1.0 if step <= start else max(0.0, (planned - step) / max(1.0, planned - start))


def window_id(meta: dict) -> tuple:
    """What tells one validation window from all others."""
    return meta["video"], meta["schedule"], meta["start"], meta["length"], meta["reverse"], meta["kernel_seed"]


def planned_id(window) -> tuple:
    """`window_id` of a row of the validation plan."""
    w = window.window
    return w.video, window.schedule, w.start, w.length, w.reverse, window.kernel_seed


class Stage(LightningModule):
    """A LightningModule with manual optimization whose x axis is `generator_step`.

    Lightning's `global_step` counts the steps of every optimizer; ours counts generator updates, survives resumption
    and drives the learning rate, the logs and the checkpoints.

    Subclasses define `networks_state`, `optimizers_of`, `update(batch)` (one micro-batch: backward, and an optimizer
    step where `self.at_step_boundary`), and `restore(blurry)` giving the validated methods.

    Args:
        settings: of this stage's trainer.
        planned_steps: generator steps of the whole run.
        batches_per_epoch: batches a rank sees per epoch; a rest that fills no optimizer step is left out.
        folder: the run folder.
        resumed_from: state of a checkpoint to go on from.
    """

    kind = ""
    methods: tuple[str, ...] = ()
    shown_losses: dict[str, str] = {}  # loss -> its short name on the progress line

    def __init__(
        self,
        settings: TrainerSettings,
        planned_steps: int,
        batches_per_epoch: int,
        images_per_step: int,
        folder: Path,
        resumed_from: dict | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.settings, self.planned_steps, self.folder = settings, planned_steps, Path(folder)
        self.images_per_step = images_per_step
        self.usable_batches = batches_per_epoch // settings.accumulate * settings.accumulate
        self.resumed_from = resumed_from
        self.generator_step = 0
        self.position = {"epoch": 0, "batch": 0}
        self.latest_losses: dict[str, float] = {}
        self.validation_scores: dict[str, float] = {}
        self.validation_rows: list[dict] = []
        self.grid_windows: list[tuple] = []
        self.grid_images: dict[tuple, dict[str, np.ndarray]] = {}
        self.replaced: dict[tuple[str, str], int] = defaultdict(int)
        self._sums: dict[str, Tensor] = {}
        self._summed = 0

    # -- optimization ---------------------------------------------------------------------------------------------

    @property
    def at_step_boundary(self) -> bool:
        """Whether the batch just seen completes an optimizer step."""
        return self.position["batch"] % self.settings.accumulate == 0

    def adam(self, parameters, rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=rate, betas=(self.settings.beta1, self.settings.beta2), foreach=True)

    def configure_optimizers(self):
        optimizers = self.build_optimizers()
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: decayed_rate(step, self.planned_steps, self.settings.decay_start)
            )
            for optimizer in optimizers
        ]
        if self.resumed_from is not None:
            for optimizer, state in zip(optimizers, self.resumed_from["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            for schedule, state in zip(self.schedules, self.resumed_from["schedules"], strict=True):
                schedule.load_state_dict(state | {"lr_lambdas": [None]})
        return optimizers

    def on_train_start(self) -> None:
        if self.resumed_from is not None:
            states = self.resumed_from["rng"]
            # with another number of ranks there is no state to go on from: rank 0's, moved on by the rank
            set_rng_state(states[self.global_rank] if self.global_rank < len(states) else states[0])
            if self.global_rank >= len(states):
                torch.manual_seed(torch.initial_seed() + self.global_rank)
            self.resumed_from = None

    def training_step(self, batch: dict, batch_index: int) -> None:
        for video, reason in batch.get("replaced", ()):
            self.replaced[video, reason] += 1
        if self.position["batch"] >= self.usable_batches or self.generator_step >= self.planned_steps:
            self.position["batch"] += 1
            return
        self.position["batch"] += 1
        losses = self.update(batch)
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
        self._summed += 1
        if self.at_step_boundary:
            for schedule in self.schedules:
                schedule.step()
            self.generator_step += 1
            self.after_step()
            if self.generator_step % self.settings.log_every == 0 or self.generator_step == self.planned_steps:
                self._log_training()
            if self.generator_step >= self.planned_steps:
                self.trainer.should_stop = True

    def after_step(self) -> None:
        """Called after each generator update, e.g. for a moving average."""

    def check_losses(self, losses: dict[str, Tensor], batch: dict) -> None:
        """Stops every rank when a loss of any rank is not finite."""
        if self.trainer.world_size > 1:
            finite = torch.stack([torch.isfinite(value).all() for value in losses.values()]).all().float()
            worst = self.trainer.strategy.reduce(finite, reduce_op="min")
            if worst == 0 and finite == 1:
                raise RuntimeError(f"step {self.generator_step}: another rank met a loss that is not finite")
        check_finite(losses, self.generator_step, batch, self.folder, self.global_rank)

    def on_train_epoch_start(self) -> None:
        epoch = self.current_epoch
        if self.position["epoch"] != epoch:
            self.position = {"epoch": epoch, "batch": 0}

    # -- logging --------------------------------------------------------------------------------------------------

    def _log_training(self) -> None:
        means = {name: float(value) / self._summed for name, value in self._sums.items()}
        self._sums, self._summed = {}, 0
        self.latest_losses = means
        rate = self.schedules[0].get_last_lr()[0]
        metrics = {f"train/{name}": value for name, value in means.items()}
        self.log_values(metrics | {"train/learning_rate": rate, "epoch": float(self.position["epoch"])})

    def log_values(self, metrics: dict[str, float]) -> None:
        """Writes `metrics` to every logger at the current generator step."""
        for logger in self.loggers:
            logger.log_metrics(metrics, step=self.generator_step)

    # -- validation -----------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.validation_rows, self.grid_images = [], {}

    @torch.no_grad()
    def validation_step(self, batch: dict, batch_index: int) -> None:
        images = {"blurred": batch["blurry"], **self.restore(batch["blurry"])}
        sharp = batch["sharp"]
        scores = {}
        for method, image in images.items():
            image = image.float().clamp(0, 1).mul(255).round().div(255)
            images[method] = image
            scores[f"{method}_psnr"] = psnr(image, sharp).tolist()
            scores[f"{method}_ssim"] = ssim(image, sharp).tolist()
        wanted = set(self.grid_windows)
        for i, meta in enumerate(batch["meta"]):
            row = {key: meta[key] for key in ("corpus", "identity", "video", "schedule", "start", "length", "reverse")}
            self.validation_rows.append(row | {key: values[i] for key, values in scores.items()})
            if window_id(meta) in wanted:
                self.grid_images[window_id(meta)] = {
                    method: to_uint8(image[i]) for method, image in (images | {"sharp": sharp}).items()
                }

    def on_validation_epoch_end(self) -> None:
        if self.trainer.world_size > 1:
            gathered: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (self.validation_rows, self.grid_images))
            self.validation_rows = [row for rows, _ in gathered for row in rows]
            self.grid_images = {key: image for _, images in gathered for key, image in images.items()}
        scores = {}
        for method in self.methods:
            for name in ("psnr", "ssim"):
                values = [row[f"{method}_{name}"] for row in self.validation_rows]
                label = name if method == self.methods[-1] else f"{name}_{method}"
                scores[f"val/{label}"] = float(np.mean(values))
        self.validation_scores = scores
        if not self.trainer.sanity_checking:
            self.log_values(scores)

    # -- state ----------------------------------------------------------------------------------------------------

    def run_state(self) -> dict:
        """Everything but the random generators, as tensors and plain numbers; safe for `weights_only=True`."""
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        schedules = [{k: v for k, v in s.state_dict().items() if k != "lr_lambdas"} for s in self.schedules]
        return {
            "format": FORMAT,
            "stage": self.kind,
            "networks": self.networks_state(),
            "optimizers": [optimizer.optimizer.state_dict() for optimizer in optimizers],
            "schedules": schedules,
            "generator_step": self.generator_step,
            "position": dict(self.position),
        }


def to_uint8(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return image.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
