"""First stage: the hourglass learns to restore sharp frames under synthetic blur, with a loss at every stack."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.models.build import build_hourglass
from facedeblur.models.settings import ModelSettings
from facedeblur.training.stages.restoration import RestorationStage


class HourglassStage(RestorationStage):
    """Plain regression: the mean over stacks of the L1 distance to the sharp image, in [-1, 1] space (section 5.1).

    Args:
        model: its hourglass_* fields and image_size.
        **common: see Stage.
    """

    kind = "hourglass"
    methods = ("blurred", "hourglass")
    shown_losses = {"l1": "l1"}

    def __init__(self, model: ModelSettings, **common):
        super().__init__(**common)
        self.networks = build_hourglass(model).to(memory_format=torch.channels_last)
        self.begin()

    def update(self, batch: dict) -> dict[str, Tensor]:
        sharp = 2 * batch["sharp"] - 1
        outputs = self.networks(2 * batch["blurry"] - 1)
        loss = sum(F.l1_loss(output.float(), sharp) for output in outputs) / len(outputs)
        return self.step(loss, self.optimizers(), {"l1": loss}, batch)

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        return {"hourglass": (self.networks(2 * blurry - 1)[-1].float() + 1) / 2}
