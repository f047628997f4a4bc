"""What the stages of the compared networks share: one generator, its average, validation; `stage=` names them."""

from __future__ import annotations

import torch
from torch import nn

from facedeblur.baselines.starting import generator_tensors
from facedeblur.models.checkpoint import fill
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.stages.restoration import RestorationStage


class ComparedStage(RestorationStage):
    """A compared network, trained with its own loss on the same pairs as ours.

    Subclasses define `build` (the generator, and the critic or None), `update`, and `restore`. A checkpoint holds the
    generator under "generator.", which `method=<name>:<run>` reads.

    Args:
        compared: of the compared networks; None stands for the paper's.
        init: what to go on from: another run's folder or checkpoint, whose networks, average and optimizers are gone on
            with, or the authors' file, of which only the generator is known; None trains from the start.
        **common: see Stage.
    """

    methods = ("blurred", "deblurred")

    def __init__(self, compared: ComparedSettings, init: str | None = None, **common):
        super().__init__(**common)
        self.compared = compared
        generator, critic = self.build(compared)
        self.networks = nn.ModuleDict({"generator": generator} | ({} if critic is None else {"critic": critic}))
        self.networks.to(memory_format=torch.channels_last)
        self.begin(init)

    def initialise(self, init: str) -> str:
        fill(self.generator.state_dict(), generator_tensors(self.kind, init), init)
        return f"{init}{'' if self.critic is None else '; the critic starts anew'}"

    def build(self, compared: ComparedSettings) -> tuple[nn.Module, nn.Module | None]:
        """The generator, and the critic that trains it, if any."""
        raise NotImplementedError

    @property
    def generator(self) -> nn.Module:
        return self.networks["generator"]

    @property
    def critic(self) -> nn.Module | None:
        return dict(self.networks.items()).get("critic")

    def build_optimizers(self) -> list[torch.optim.Optimizer]:
        optimizers = [self.make_optimizer(self.generator.parameters(), self.settings.learning_rate)]
        if self.critic is not None:
            optimizers.append(self.make_optimizer(self.critic.parameters(), self.settings.discriminator_rate))
        return optimizers

    @property
    def averaged(self) -> nn.Module:
        return self.generator
