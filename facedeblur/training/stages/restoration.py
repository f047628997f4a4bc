"""What the stages that restore images share: the images of their methods, scored against the sharp ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from facedeblur.metrics.image import psnr, ssim
from facedeblur.plugins import PluginError, function_of
from facedeblur.training.stages.stage import Stage


def checked_scores(name: str, scores: object, count: int) -> list[float]:
    """The scores of a metric of the user's own. Raises PluginError unless there is one for each image."""
    values = torch.as_tensor(scores).detach().float().reshape(-1).tolist() if scores is not None else []
    if len(values) != count:
        raise PluginError(f"trainer.metrics.{name}: must give one value for each of {count} images, got {len(values)}")
    return values


class RestorationStage(Stage):
    """A stage whose batches hold "blurry" and "sharp" images, (B, 3, H, W) in [0, 1].

    Subclasses define `restore(blurry)`, giving the images of the methods they validate, and name those in `methods`,
    `blurred` first and the best last.
    """

    methods: tuple[str, ...] = ()

    @cached_property
    def own_metrics(self) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
        """Those that `trainer.metrics` names."""
        return {name: function_of(plugin, f"trainer.metrics.{name}") for name, plugin in self.settings.metrics.items()}

    def trial_batch(self, batch: int, size: int) -> dict:
        blurry, sharp = (torch.rand(batch, 3, size, size) for _ in range(2))
        return {"blurry": blurry, "sharp": sharp, "meta": []}

    def validation_step(self, batch: dict, batch_index: int) -> None:
        images = self.images(batch["blurry"])
        scores = {
            f"{method}_{name}": score(image, batch["sharp"]).tolist()
            for method, image in images.items()
            for name, score in (("psnr", psnr), ("ssim", ssim))
        }
        for metric, score in self.own_metrics.items():
            for method, image in images.items():
                scores[f"{method}_{metric}"] = checked_scores(metric, score(image, batch["sharp"]), len(image))
        for i, meta in enumerate(batch["meta"]):
            row = {key: meta[key] for key in ("corpus", "identity", "video", "schedule", "start", "length", "reverse")}
            self.validation_rows.append(row | {key: values[i] for key, values in scores.items()})

    def images(self, blurry: Tensor) -> dict[str, Tensor]:
        """What each method makes of `blurry` (B, 3, H, W) in [0, 1]: same shape, float32 in [0, 1], `blurred` first."""
        with self.evaluating():
            restored = {"blurred": blurry, **self.restore(blurry)}
        return {method: image.float().clamp(0, 1) for method, image in restored.items()}

    def scores(self) -> dict[str, float]:
        scores = {}
        for method in self.methods:
            for name in ("psnr", "ssim", *self.own_metrics):
                values = [row[f"{method}_{name}"] for row in self.validation_rows]
                label = name if method == self.methods[-1] else f"{name}_{method}"
                scores[f"val/{label}"] = float(np.mean(values))
        return scores

    def monitored_score(self) -> float:
        return self.validation_scores["val/psnr"]
