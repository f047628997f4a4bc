"""What all training stages share: our own step counter, learning-rate schedule, logging, validation and state."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from facedeblur.models.checkpoint import FORMAT
from facedeblur.models.registry import is_run
from facedeblur.training.callbacks.checkpoint import set_rng_state
from facedeblur.training.callbacks.guards import nan_loss
from facedeblur.training.settings import TrainerSettings
from facedeblur.training.stages.ema import WeightAverage
from facedeblur.training.stages.optimizers import go_on, make_optimizer, make_schedule
from facedeblur.training.stages.validated import ValidatedModule


class Stage(ValidatedModule):
    """A LightningModule with manual optimization whose x axis is `generator_step`.

    Lightning's `global_step` counts the steps of every optimizer; ours counts generator updates, survives resumption
    and drives the learning rate, the logs and the checkpoints.

    Subclasses make their `networks` and call `begin`; they define `update(batch)` (the losses of one batch, and a
    `step` for each optimizer), `trial_batch` for timing it, `make_metrics`, `monitored_score`, `validation_step`, which
    updates `metrics` and fills `validation_rows`, and `build_optimizers` where there are several. See
    `RestorationStage` for the stages that restore images.

    Args:
        settings: of this stage's trainer.
        planned_steps: generator steps of the whole run.
        batches_per_epoch: batches a rank sees per epoch; a rest that fills no optimizer step is left out.
        folder: the run folder.
        resumed_from: state of a checkpoint to go on from.
    """

    networks: nn.Module
    kind = ""
    ships_best = False  # what uses a run of this stage takes its best.ckpt, not its last
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
        self.branched_from: dict | None = None  # state of another run, whose optimizers are gone on with
        self.generator_step = 0
        self.position = {"epoch": 0, "batch": 0}
        self.latest_losses: dict[str, float] = {}
        self.replaced: Counter[tuple[str, str]] = Counter()  # (video, reason) -> windows that had to be replaced
        self.shipped_step: int | None = None  # of the weights that the stage ends with; None in training
        self._dry = False  # within `dry_step`
        self.rate_factor = make_schedule(settings)
        self._sums: dict[str, tuple[Tensor | float, int]] = {}  # since the last log: sum and number of batches
        if resumed_from is not None:
            self._sums = {name: (total, count) for name, (total, count) in resumed_from.get("sums", {}).items()}

    @property
    def at_step_boundary(self) -> bool:
        """Whether the batch just seen completes an optimizer step."""
        return self.position["batch"] % self.settings.accumulate == 0

    def begin(self, init: str | None = None) -> None:
        """Gives the networks the weights that training goes on from, and begins their moving average.

        A resumed run has its own; else `init` names another run, whose average and optimizers go on too, or a file.
        """
        if self.resumed_from is not None:
            self.networks.load_state_dict(self.resumed_from["networks"])
        elif init is not None and is_run(init):
            self.branched_from = self.branch(Path(init))
        elif init is not None:
            print(f"init: {self.initialise(init)}", file=sys.stderr)
        begun = self.resumed_from or self.branched_from or {}
        if self.settings.ema:
            self.average = WeightAverage.of(self.averaged, self.settings.ema, begun.get("average"))

    def networks_state(self) -> dict[str, Tensor]:
        """The tensors of the networks, as a checkpoint holds them."""
        return self.networks.state_dict()

    def build_optimizers(self) -> list[torch.optim.Optimizer]:
        """One for each player; by default one for all of the networks."""
        return [self.make_optimizer(self.networks.parameters(), self.settings.learning_rate)]

    def step(
        self, loss: Tensor, optimizer: torch.optim.Optimizer, terms: dict[str, Tensor], batch: dict, prefix: str = ""
    ) -> dict[str, Tensor]:
        """Backward, and an optimizer step where the batch completes one.

        Args:
            loss: what is minimised; `terms` are its parts, by name.
            prefix: of the names in the logs.

        Returns:
            The detached terms, and the gradients' norm where it is limited, for the logs.
        """
        losses = {f"{prefix}{name}": value.detach() for name, value in terms.items()}
        self.check_losses(losses, batch)
        self.manual_backward(loss / self.settings.accumulate)
        if self.at_step_boundary:
            losses |= {f"{prefix}{name}": value for name, value in self.step_optimizer(optimizer).items()}
        return losses

    def make_optimizer(self, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
        """See `make_optimizer`: with this stage's settings."""
        return make_optimizer(self.settings, parameters, rate)

    def step_optimizer(self, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
        """One step on the gradients gathered so far, limited to `clip`; their norm, where they are limited."""
        if self._dry:
            return {}
        norms = {}
        if self.settings.clip is not None:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            norms["gradient_norm"] = torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip).detach()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return norms

    def dry_step(self, batch: dict) -> None:
        """`update` without a Trainer, for timing: gradients are computed and gathered, weights stay as they are."""
        self._dry = True
        try:
            self.update(batch)
        finally:
            self._dry = False

    def optimizers(self, *args, **kwargs):
        return [None] * len(self.build_optimizers()) if self._dry else super().optimizers(*args, **kwargs)

    def manual_backward(self, loss: Tensor, *args, **kwargs) -> None:
        loss.backward() if self._dry else super().manual_backward(loss, *args, **kwargs)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        self.all_optimizers = self.build_optimizers()
        self._full_rates = [optimizer.param_groups[0]["lr"] for optimizer in self.all_optimizers]
        if self.resumed_from is not None:
            for optimizer, state in zip(self.all_optimizers, self.resumed_from["optimizers"], strict=True):
                optimizer.load_state_dict(state)
        elif self.branched_from is not None:
            states = self.branched_from["optimizers"]
            gone_on = [go_on(*pair) for pair in zip(self.all_optimizers, states, strict=True)]
            if not all(gone_on):
                what = "an optimizer starts" if any(gone_on) else "the optimizers start"
                print(f"init: {what} anew: of another kind, or for other networks, than the run's", file=sys.stderr)
        self.branched_from = None
        self._set_rates()
        return self.all_optimizers

    def _set_rates(self) -> None:
        """Learning rates of the coming step; Lightning steps no scheduler under manual optimization."""
        factor = self.rate_factor(self.generator_step, self.planned_steps)
        for optimizer, rate in zip(self.all_optimizers, self._full_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate

    def on_train_start(self) -> None:
        if self.resumed_from is None:
            torch.manual_seed(torch.initial_seed() + self.global_rank)  # every rank its own dropout masks
        else:
            states = self.resumed_from["rng"]
            # with another number of ranks there is no state to go on from: rank 0's, moved on by the rank
            set_rng_state(states[self.global_rank] if self.global_rank < len(states) else states[0])
            if self.global_rank >= len(states):
                torch.manual_seed(torch.initial_seed() + self.global_rank)
            self.resumed_from = None

    def training_step(self, batch: dict, batch_index: int) -> None:
        self.replaced.update(filter(None, batch["replaced"]))
        if self.position["batch"] >= self.usable_batches or self.generator_step >= self.planned_steps:
            self.position["batch"] += 1
            return
        self.position["batch"] += 1
        losses = self.update(batch)
        for name, value in losses.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        if self.at_step_boundary:
            self.generator_step += 1
            self._set_rates()
            self.after_step()
            if self.generator_step % self.settings.log_every == 0 or self.generator_step == self.planned_steps:
                self._log_training()
            if self.generator_step >= self.planned_steps:
                self.trainer.should_stop = True

    def after_step(self) -> None:
        """Called after each generator update."""
        if self.average is not None:
            self.average.update(self.averaged)

    def check_losses(self, losses: dict[str, Tensor], batch: dict) -> None:
        """Stops every rank when a loss of any rank is not finite."""
        if self._dry:
            return
        finite = torch.stack([torch.isfinite(value).all() for value in losses.values()]).all()
        if self.trainer.world_size > 1:
            worst = finite.to(torch.float32)
            torch.distributed.all_reduce(worst, torch.distributed.ReduceOp.MIN)
            finite = worst > 0
        if not finite:
            raise nan_loss(losses, self.generator_step, batch, self.folder, self.global_rank)

    def on_train_epoch_start(self) -> None:
        epoch = self.current_epoch
        if self.position["epoch"] != epoch:
            self.position = {"epoch": epoch, "batch": 0}

    def _log_training(self) -> None:
        means = {name: float(total) / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        self.latest_losses = means
        rate = self.all_optimizers[0].param_groups[0]["lr"]
        metrics = {f"train/{name}": value for name, value in means.items()}
        self.log_values(metrics | {"train/learning_rate": rate, "epoch": float(self.position["epoch"])})

    def log_values(self, metrics: dict[str, float]) -> None:
        """Writes `metrics` to every logger at the current generator step."""
        for logger in self.loggers:
            logger.log_metrics(metrics, step=self.generator_step)

    def set_validated(self) -> None:
        """The scores of this step are in the logs already, of an attempt before."""
        self._validated_step = self.generator_step

    @torch.no_grad()
    def load_networks(self, state: dict) -> None:
        """Puts the weights of another checkpoint of this run into the networks, and its moving average."""
        own = self.networks_state()
        for name, value in state["networks"].items():
            own[name].copy_(value)
        if self.average is not None and state.get("average") is not None:
            self.average.load_state_dict(state["average"])

    def run_state(self) -> dict:
        """Everything but the random generators, as tensors and plain numbers; safe for `weights_only=True`."""
        kept = {} if self.averaged is None else {"average": self.average and self.average.state_dict()}
        return kept | {
            "format": FORMAT,
            "stage": self.kind,
            "networks": self.networks_state(),
            "optimizers": [optimizer.state_dict() for optimizer in self.all_optimizers],
            "generator_step": self.generator_step,
            "position": dict(self.position),
            "replaced": [[video, reason, count] for (video, reason), count in self.replaced.items()],
            "sums": {name: [total, count] for name, (total, count) in self._sums.items()},
        }
