"""What of a stage is validated and shipped, and how it is scored over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property

import torch
from pytorch_lightning import LightningModule
from torch import nn
from torchmetrics import MetricCollection

from facedeblur.training.stages.ema import WeightAverage


class ValidatedModule(LightningModule):
    """A LightningModule that is validated with its moving average, where it has one.

    Subclasses define `make_metrics` (key -> metrics, whose names are those of the logs), a `validation_step` that
    updates `metrics` and fills `validation_rows`, `log_values`, and count their steps in `generator_step`.
    """

    generator_step: int

    def __init__(self) -> None:
        super().__init__()
        self.average: WeightAverage | None = None
        self.validation_scores: dict[str, float] = {}
        self.validation_rows: list[dict] = []
        self._validated_step = -1

    def shipped_weights(self) -> AbstractContextManager:
        """Within it the networks hold the weights that are validated and shipped: the moving average, if any."""
        return nullcontext() if self.average is None else self.average.swapped_into(self.averaged)

    @property
    def averaged(self) -> nn.Module | None:
        """The network whose moving average is kept where `ema` is set; None: of none."""
        return None

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients on the shipped weights; training mode and weights are put back."""
        modes = {module: module.training for module in self.modules()}
        try:
            with torch.no_grad(), self.shipped_weights():
                self.eval()
                yield
        finally:
            for module, training in modes.items():
                module.training = training

    @cached_property
    def metrics(self) -> dict[str, MetricCollection]:
        """What `make_metrics` gives, on the stage's device: no part of its state, so that checkpoints do not hold it.

        Sums are float64, which Apple's GPUs do not know; there they stay on the CPU.
        """
        device = "cpu" if self.device.type == "mps" else self.device
        return {key: metrics.to(device) for key, metrics in self.make_metrics().items()}

    def on_validation_epoch_start(self) -> None:
        self.validation_rows = []
        for metrics in self.metrics.values():
            metrics.reset()
        if self.trainer.world_size > 1:  # running statistics differ between ranks; those of rank 0 are saved
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def on_validation_epoch_end(self) -> None:
        if self.trainer.world_size > 1:
            gathered: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, self.validation_rows)
            self.validation_rows = [row for rows in gathered for row in rows]
        scores = [metrics.compute() for metrics in self.metrics.values()]  # summed over all processes
        self.validation_scores = {name: float(value) for found in scores for name, value in found.items()}
        if self._validated_step != self.generator_step:  # the closing validation may repeat the last epoch's
            self._validated_step = self.generator_step
            self.log_values(self.validation_scores)

    @property
    def validated(self) -> bool:
        """Whether `validation_rows` are those of the weights after the last step."""
        return self._validated_step == self.generator_step
