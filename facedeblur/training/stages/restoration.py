"""What the stages that restore images share: the images of their methods, scored against the sharp ones."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from facedeblur.metrics.modules import CappedPSNR, MeanScore, StructuralSimilarity
from facedeblur.metrics.own import own_metrics
from facedeblur.models.checkpoint import CheckpointError, fill, load_checkpoint
from facedeblur.models.registry import run_checkpoint
from facedeblur.models.weights import without_identity
from facedeblur.training.stages.stage import Stage


class RestorationStage(Stage):
    """A stage whose batches hold "blurry" and "sharp" images, (B, 3, H, W) in [0, 1].

    Subclasses define `restore(blurry)`, giving the images of the methods they validate, and name those in `methods`,
    `blurred` first and the best last; they keep what they train in `networks`.
    """

    ships_best = True
    methods: tuple[str, ...] = ()

    def make_metrics(self) -> dict[str, MetricCollection]:
        """Method -> PSNR, SSIM and what `trainer.metrics` names; the best method's have the plain names."""
        own = own_metrics(self.settings.metrics, "trainer.metrics")

        def scores(method: str) -> MetricCollection:
            metrics = {"psnr": CappedPSNR(), "ssim": StructuralSimilarity()}
            metrics |= {name: MeanScore(score) for name, score in own.items()}
            postfix = "" if method == self.methods[-1] else f"_{method}"
            return MetricCollection(metrics, prefix="val/", postfix=postfix, compute_groups=False)

        return {method: scores(method) for method in self.methods}

    def branch(self, run: Path) -> dict:
        """The state of another run's last checkpoint, whose networks these become.

        An identity stream that only one of the two has is left out, or starts anew.

        Raises:
            CheckpointError: a run of another stage or with other networks.
        """
        file = run_checkpoint(run)
        state = load_checkpoint(file)
        if state["stage"] != self.kind:
            raise CheckpointError(f"init: {file} is of the {state['stage']} stage, not of {self.kind}")
        ours, theirs = self.networks.state_dict(), state["networks"]
        both = (without_identity(ours), without_identity(theirs))
        differ = (len(ours) > len(both[0])) != (len(theirs) > len(both[1]))
        fill(*(both if differ else (ours, theirs)), file)
        print(f"init: {file}, after {state['generator_step']} steps", file=sys.stderr)
        return state

    def initialise(self, init: str) -> str:
        """Gives the networks the weights of a file; a line that says what was taken."""
        raise NotImplementedError

    def trial_batch(self, batch: int, size: int) -> dict:
        blurry, sharp = (torch.rand(batch, 3, size, size) for _ in range(2))
        return {"blurry": blurry, "sharp": sharp, "meta": []}

    def validation_step(self, batch: dict, batch_index: int) -> None:
        scores = {}
        for method, image in self.images(batch["blurry"]).items():
            metrics = self.metrics[method]
            metrics.update(image, batch["sharp"])
            scores |= {f"{method}_{name}": metrics[name].values.tolist() for name in metrics.keys(keep_base=True)}
        for i, meta in enumerate(batch["meta"]):
            row = {key: meta[key] for key in ("corpus", "identity", "video", "schedule", "start", "length", "reverse")}
            self.validation_rows.append(row | {key: values[i] for key, values in scores.items()})

    def images(self, blurry: Tensor) -> dict[str, Tensor]:
        """What each method makes of `blurry` (B, 3, H, W) in [0, 1]: same shape, float32 in [0, 1], `blurred` first."""
        with self.evaluating():
            restored = {"blurred": blurry, **self.restore(blurry)}
        return {method: image.float().clamp(0, 1) for method, image in restored.items()}

    def monitored_score(self) -> float:
        return self.validation_scores["val/psnr"]
