"""Training of NAFNet, ECCV 2022: the negative PSNR of its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facedeblur.models.nafnet import NAFNet
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.stages.compared import ComparedStage

WIDTH, DEEPEST = 32, 28  # of the GoPro weights; blocks of the deepest encoder level


class NafnetStage(ComparedStage):
    """AdamW without decay, which is Adam, on the PSNR loss; the rate falls linearly, where the authors' is a cosine."""

    kind = "nafnet"
    shown_losses = {"g_psnr": "-dB"}

    def build(self, compared: ComparedSettings) -> tuple[nn.Module, None]:
        return NAFNet(compared.width or WIDTH, (1, 1, 1, compared.blocks or DEEPEST)), None

    def update(self, batch: dict) -> dict[str, Tensor]:
        loss = psnr_loss(self.generator(batch["blurry"]), batch["sharp"])
        return self.step(loss, self.optimizers(), {"g_psnr": loss}, batch)

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        return {"deblurred": self.generator(blurry)}


def psnr_loss(output: Tensor, sharp: Tensor) -> Tensor:
    """The mean over images (B, 3, H, W) in [0, 1] of 10 log10 of the mean squared error: minus the PSNR in dB."""
    error = (output.float() - sharp.float()).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + 1e-8).mean()
