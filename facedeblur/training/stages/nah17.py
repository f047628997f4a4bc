"""Training of Nah et al., CVPR 2017: a content loss at every scale and an adversarial one at the finest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facedeblur.losses import adversarial_loss, discriminator_loss
from facedeblur.models.nah17 import Critic, MultiScaleNet, multi_scale_l1, multi_scale_mse
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.stages.compared import ComparedStage

PAPER = {"width": 64, "blocks": 19}


class Nah17Stage(ComparedStage):
    """Section 3.2: mean squared error over the pyramid + 1e-4 times the adversarial loss.

    With `content=l1` and `adversarial=0` it is the recipe of the authors' PyTorch release, which has no critic.
    """

    kind = "nah17"
    shown_losses = {"g_content": "content", "g_adversarial": "gan", "d_adversarial": "disc"}

    def build(self, compared: ComparedSettings) -> tuple[nn.Module, nn.Module | None]:
        width, blocks = compared.width or PAPER["width"], compared.blocks or PAPER["blocks"]
        critic = Critic(width) if compared.adversarial > 0 else None
        return MultiScaleNet(width, blocks), critic

    def update(self, batch: dict) -> dict[str, Tensor]:
        optimizers = self.optimizers()
        optimizer_g, optimizer_d = optimizers if self.critic is not None else (optimizers, None)
        blurry, sharp = 2 * batch["blurry"] - 1, 2 * batch["sharp"] - 1
        outputs = self.generator(blurry)
        losses = {}
        if self.critic is not None:
            d = 2 * discriminator_loss(self.critic(sharp), self.critic(outputs[0].detach()))  # the sum, not half of it
            losses |= self.step(d, optimizer_d, {"d_adversarial": d}, batch)
        content = multi_scale_l1 if self.compared.content == "l1" else multi_scale_mse
        terms = {"g_content": content(outputs, sharp)}
        loss = terms["g_content"]
        if self.critic is not None:
            self.critic.requires_grad_(False)
            terms["g_adversarial"] = adversarial_loss(self.critic(outputs[0]))
            self.critic.requires_grad_(True)
            loss = loss + self.compared.adversarial * terms["g_adversarial"]
        return losses | self.step(loss, optimizer_g, terms, batch)

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        return {"deblurred": (self.generator(2 * blurry - 1)[0] + 1) / 2}

    def scales(self, blurry: Tensor) -> list[Tensor]:
        """All three results for blurry images (B, 3, H, W) in [0, 1], finest first."""
        with torch.no_grad():
            return [(output + 1) / 2 for output in self.generator(2 * blurry - 1)]
