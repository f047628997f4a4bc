"""The localiser's stage: 68 heatmaps of a stacked hourglass, a loss at every stack, errors as in the paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from facedeblur.metrics.landmarks import normalised_error
from facedeblur.metrics.modules import FailureRate, LandmarkError
from facedeblur.models.landmarks import LandmarkHourglass, landmark_losses
from facedeblur.models.settings import ModelSettings
from facedeblur.training.stages.stage import Stage


class LocalizerStage(Stage):
    """Batches hold "image" (B, 3, H, W) in [0, 1] and "points" (B, 68, 2) in its pixels.

    Args:
        model: its hourglass_features, hourglass_stacks and image_size.
        **common: see Stage.
    """

    kind = "localizer"
    shown_losses = {"points": "px", "maps": "maps"}

    def __init__(self, model: ModelSettings, **common):
        super().__init__(**common)
        self.networks = LandmarkHourglass(model.hourglass_features, model.hourglass_stacks)
        self.networks.to(memory_format=torch.channels_last)
        self.begin()

    @property
    def averaged(self) -> torch.nn.Module:
        return self.networks

    def trial_batch(self, batch: int, size: int) -> dict:
        return {"image": torch.rand(batch, 3, size, size), "points": size * torch.rand(batch, 68, 2), "meta": []}

    def update(self, batch: dict) -> dict[str, Tensor]:
        losses = landmark_losses(self.networks(2 * batch["image"] - 1), batch["points"])
        return self.step(sum(losses.values()), self.optimizers(), losses, batch)

    def validation_step(self, batch: dict, batch_index: int) -> None:
        with self.evaluating():
            points = self.networks.locate(2 * batch["image"] - 1)
        errors = normalised_error(points.cpu(), batch["points"].cpu())
        self.metrics["points"].update(torch.from_numpy(errors))
        for meta, error in zip(batch["meta"], errors.tolist(), strict=True):
            self.validation_rows.append({"photo": meta["video"], "error": error})

    def make_metrics(self) -> dict[str, MetricCollection]:
        metrics = {"error": LandmarkError(), "failures": FailureRate()}
        return {"points": MetricCollection(metrics, prefix="val/", compute_groups=False)}

    def monitored_score(self) -> float:
        return -self.validation_scores["val/error"]
