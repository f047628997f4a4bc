"""Exponential moving average of a network's weights, used for validation and shipped when it is on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps `average = decay * average + (1 - decay) * weights` of a module's parameters and floating-point buffers.

    Running statistics are averaged too, since they belong to the weights that made them; counters are copied.

    Args:
        module: the network whose weights are followed.
        decay: in (0, 1). The first updates use `min(decay, (1 + n) / (10 + n))`, so that the average does not
            remember the initialisation.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.average = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @classmethod
    def of(cls, module: nn.Module, decay: float, state: dict | None) -> WeightAverage:
        """An average that begins with the module's weights, or goes on with the `state_dict` of another."""
        average = cls(module, decay)
        if state is not None:
            average.load_state_dict(state)
        return average

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in module.state_dict().items():
            average = self.average[name] = self.average[name].to(value.device)  # made before the module moved there
            if value.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    @contextmanager
    def swapped_into(self, module: nn.Module) -> Iterator[None]:
        """Within it, `module` holds the average; afterwards its own weights again."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.average)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def state_dict(self) -> dict[str, int | dict[str, Tensor]]:
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        for name, value in state["average"].items():
            self.average[name].copy_(value)
