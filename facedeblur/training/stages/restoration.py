"""What the stages that restore images share: the images of their methods, scored against the sharp ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from facedeblur.metrics.image import psnr, ssim
from facedeblur.training.stages.stage import Stage


class RestorationStage(Stage):
    """A stage whose batches hold "blurry" and "sharp" images, (B, 3, H, W) in [0, 1].

    Subclasses define `restore(blurry)`, giving the images of the methods they validate, and name those in `methods`,
    `blurred` first and the best last.
    """

    methods: tuple[str, ...] = ()

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
            for name in ("psnr", "ssim"):
                values = [row[f"{method}_{name}"] for row in self.validation_rows]
                label = name if method == self.methods[-1] else f"{name}_{method}"
                scores[f"val/{label}"] = float(np.mean(values))
        return scores

    def monitored_score(self) -> float:
        return self.validation_scores["val/psnr"]
