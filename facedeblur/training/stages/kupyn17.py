"""Training of DeblurGAN, arXiv 1711.07064: a Wasserstein critic with gradient penalty, and a perceptual loss."""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facedeblur.models.kupyn17 import BLOCKS, Critic, ResnetGenerator
from facedeblur.models.vgg import VggFeatures, perceptual_loss
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.stages.compared import ComparedStage

WIDTH = 64


class Kupyn17Stage(ComparedStage):
    """Section 3.1: several critic steps on a batch, then one generator step on -critic(output) + 100 * perceptual loss.

    The gradient penalty takes the norm over a whole image, as in Gulrajani et al. (2017); the authors' repository takes
    it over the channels of each pixel. Without weights of VGG19 the L1 distance, as in pix2pix, stands for the
    perceptual loss.
    """

    kind = "kupyn17"
    shown_losses = {"g_content": "content", "g_adversarial": "gan", "d_wasserstein": "critic", "d_penalty": "pen"}

    def __init__(self, compared: ComparedSettings, init: str | None = None, **common):
        super().__init__(compared, init, **common)
        features = VggFeatures(compared.vgg) if compared.vgg is not None else None
        self.__dict__["features"] = features  # no part of the networks that are trained and kept
        if features is None and self.resumed_from is None:
            print("kupyn17: no weights of VGG19 (compared.vgg): the content loss is L1 instead", file=sys.stderr)

    def build(self, compared: ComparedSettings) -> tuple[nn.Module, nn.Module]:
        width = compared.width or WIDTH
        return ResnetGenerator(width, compared.blocks or BLOCKS), Critic(width)

    def update(self, batch: dict) -> dict[str, Tensor]:
        optimizer_g, optimizer_d = self.optimizers()
        blurry, sharp = 2 * batch["blurry"] - 1, 2 * batch["sharp"] - 1
        output = self.generator(blurry)
        losses = {}
        for _ in range(self.compared.critic_steps):
            terms = self.critic_terms(sharp, output.detach())
            d = terms["d_wasserstein"] + self.compared.penalty * terms["d_penalty"]
            losses |= self.step(d, optimizer_d, terms, batch)
        self.critic.requires_grad_(False)
        terms = {"g_adversarial": -self.critic(output).float().mean(), "g_content": self.content(output, sharp)}
        self.critic.requires_grad_(True)
        g = terms["g_adversarial"] + self.compared.perceptual * terms["g_content"]
        return losses | self.step(g, optimizer_g, terms, batch)

    def critic_terms(self, sharp: Tensor, output: Tensor) -> dict[str, Tensor]:
        """What the critic minimises: its mean over outputs less that over sharp images, and the gradient penalty."""
        wasserstein = self.critic(output).float().mean() - self.critic(sharp).float().mean()
        # in float32: the penalty is differentiated twice
        with torch.autocast(sharp.device.type, enabled=False):
            penalty = gradient_penalty(self.critic, sharp.float(), output.float())
        return {"d_wasserstein": wasserstein, "d_penalty": penalty}

    def content(self, output: Tensor, sharp: Tensor) -> Tensor:
        features = self.__dict__["features"]
        if features is None:
            return F.l1_loss(output, sharp)
        return perceptual_loss(features.to(output.device), output, sharp)

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        return {"deblurred": (self.generator(2 * blurry - 1) + 1) / 2}


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The mean of (|gradient of the critic| - 1)² at random places between the images of each pair (B, 3, H, W)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
