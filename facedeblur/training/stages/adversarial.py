"""Second stage: G_bl, G_s, the tied decoder and the discriminator, trained against each other (section 3.2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from facedeblur.losses import DiscriminatorLoss, GeneratorLoss
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.checkpoint import CheckpointError, load_checkpoint
from facedeblur.models.half_size import HalfSizeStep
from facedeblur.models.plugged import try_networks
from facedeblur.models.registry import WeightsError
from facedeblur.models.settings import LossWeights, ModelSettings, half_size_settings
from facedeblur.models.weights import initialise, load_weights
from facedeblur.training.stages.restoration import RestorationStage


def load_first_step(model: ModelSettings, checkpoint: Path) -> torch.nn.Module:
    """The trained first step: the hourglass of a checkpoint, or shipped weights (a name or a file) of half the size.

    Raises:
        CheckpointError: the file is of another stage, or its hourglass is of another size than `model` asks for.
        WeightsError: the weights are damaged, or not those whose settings `model.half_size` holds.
    """
    if model.half_size:
        weights = load_weights(checkpoint)
        if replace(weights.settings, identity=False) != half_size_settings(model):
            raise WeightsError(f"{checkpoint}: their network is not that of model.half_size; leave that key out")
        return HalfSizeStep(weights.deblurrer().network)
    state = load_checkpoint(checkpoint)
    if state["stage"] != "hourglass":
        raise CheckpointError(f"{checkpoint}: holds the {state['stage']} stage, not an hourglass")
    hourglass = build_hourglass(model)
    try:
        hourglass.load_state_dict(state["networks"])
    except RuntimeError as error:
        raise CheckpointError(
            f"{checkpoint}: its hourglass does not fit model.hourglass_features={model.hourglass_features}, "
            f"hourglass_stacks={model.hourglass_stacks}"
        ) from error
    return hourglass


class AdversarialStage(RestorationStage):
    """The two-optimizer step of Eq. 6: the discriminator on this batch's images, then both generators.

    Each network runs no more often than the equations need: the generators' one forward pass serves both players.

    Args:
        model: the networks; without `identity` there is no G_s, without `two_step` no conditioning.
        weights: of Eq. 3 and 6. With adversarial and projection weight 0 the discriminator is not run at all.
        hourglass_checkpoint: the trained first step, frozen here; None where the model is not conditioned, or `init`
            brings it.
        init: what to go on from: shipped weights, a name or a file, or another run's folder or checkpoint, whose moving
            average and optimizers go on, too; a resumed run has its own.
        **common: see Stage.
    """

    kind = "adversarial"
    shown_losses = {
        "g_content_image": "content",
        "g_reconstruction": "rec",
        "g_projection": "proj",
        "g_adversarial": "gan",
        "d_adversarial": "disc",
    }

    def __init__(
        self,
        model: ModelSettings,
        weights: LossWeights,
        hourglass_checkpoint: Path | None,
        init: str | None = None,
        **common,
    ):
        super().__init__(**common)
        hourglass = None
        if hourglass_checkpoint is not None and self.resumed_from is None:
            hourglass = load_first_step(model, hourglass_checkpoint)
        self.networks = build_networks(model, hourglass).to(memory_format=torch.channels_last)
        if model.plugins:
            try_networks(self.networks, model)
        self.methods = ("blurred", "hourglass", "deblurred") if model.conditioned else ("blurred", "deblurred")
        self.generator_loss, self.discriminator_loss = GeneratorLoss(weights), DiscriminatorLoss(weights)
        self.adversarial = weights.adversarial > 0 or weights.projection > 0
        self.projection_on_discriminator = model.projection_on == "discriminator"
        self.begin(init)

    def initialise(self, init: str) -> str:
        return initialise(self.networks, init)

    def build_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            self.make_optimizer(self.networks.generator_parameters(), self.settings.learning_rate),
            self.make_optimizer(self.networks.discriminator.parameters(), self.settings.discriminator_rate),
        ]

    @property
    def averaged(self) -> torch.nn.Module:
        return self.networks.generator

    def update(self, batch: dict) -> dict[str, Tensor]:
        optimizer_g, optimizer_d = self.optimizers()
        networks = self.networks
        blurry, sharp = 2 * batch["blurry"] - 1, 2 * batch["sharp"] - 1
        output = networks.generator(networks.condition(blurry))
        reconstruction = networks.identity(sharp) if networks.identity is not None else None

        losses: dict[str, Tensor] = {}
        adversarial = self.discriminator_active()
        if adversarial:
            d = self._discriminator_losses(output.detach(), sharp, blurry)
            losses = self.step(d["total"], optimizer_d, d, batch, "d_")
        g = self._generator_losses(output, reconstruction, sharp, blurry, adversarial)
        return losses | self.step(g["total"], optimizer_g, g, batch, "g_")

    def _discriminator_losses(self, fake: Tensor, sharp: Tensor, blurry: Tensor) -> dict[str, Tensor]:
        real_logits, real_features = self.networks.discriminator(sharp, blurry)
        fake_logits, fake_features = self.networks.discriminator(fake, blurry)
        if self.projection_on_discriminator:
            return self.discriminator_loss(
                real_logits, fake_logits, real_features=real_features, fake_features=fake_features
            )
        return self.discriminator_loss(real_logits, fake_logits)

    def discriminator_active(self) -> bool:
        """Whether this step has a discriminator: its terms have weight, and their share of the run has come."""
        return self.adversarial and self.generator_step >= self.settings.adversarial_start * self.planned_steps

    def _generator_losses(
        self, output: Tensor, reconstruction: Tensor | None, sharp: Tensor, blurry: Tensor, adversarial: bool
    ) -> dict[str, Tensor]:
        """Eq. 6 with the discriminator as it is after its step, whose weights get no gradient from this pass."""
        terms: dict[str, Tensor | None] = {"reconstruction": reconstruction, "blurry": blurry}
        if adversarial:
            discriminator = self.networks.discriminator.requires_grad_(False)
            terms["fake_logits"], terms["fake_features"] = discriminator(output, blurry)
            if not self.projection_on_discriminator:
                with torch.no_grad():
                    terms["real_features"] = discriminator(sharp, blurry)[1]
            discriminator.requires_grad_(True)
        return self.generator_loss(output, sharp, **terms)

    def restore(self, blurry: Tensor) -> dict[str, Tensor]:
        condition = self.networks.condition(2 * blurry - 1)
        restored = {"deblurred": (self.networks.generator(condition).float() + 1) / 2}
        if self.networks.two_step is not None:
            restored = {"hourglass": (condition[:, 3:].float() + 1) / 2, **restored}
        return restored
