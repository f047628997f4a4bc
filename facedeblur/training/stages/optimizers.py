"""Optimizers and learning-rate schedules: those of the paper, or the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import nn

from facedeblur.plugins import PluginError, function_of, make, require_type
from facedeblur.training.settings import TrainerSettings


def decayed_rate(step: int, planned: int, decay_start: float) -> float:
    """Factor of the learning rate at a step: 1 until `decay_start * planned`, then linearly to 0 at `planned`."""
    start = decay_start * planned
    return 1.0 if step <= start else max(0.0, (planned - step) / max(1.0, planned - start))


def make_schedule(settings: TrainerSettings) -> Callable[[int, int], float]:
    """(step, planned steps) -> factor of the learning rate: `decayed_rate`, or what `trainer.schedule` names.

    The latter raises PluginError where its factor is negative or no number.
    """
    if settings.schedule is None:
        return partial(decayed_rate, decay_start=settings.decay_start)
    schedule = function_of(settings.schedule, "trainer.schedule")

    def checked(step: int, planned: int) -> float:
        factor = float(schedule(step, planned))
        if not 0 <= factor < math.inf:
            raise PluginError(f"trainer.schedule: must give a factor of at least 0 for every step, got {factor}")
        return factor

    return checked


def make_optimizer(settings: TrainerSettings, parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Adam or AdamW, or what `trainer.optimizer` names: called with the parameters, `lr` and its own options."""
    if isinstance(settings.optimizer, Mapping):
        made = make(settings.optimizer, "trainer.optimizer", list(parameters), lr=rate)
        return require_type(made, "trainer.optimizer", torch.optim.Optimizer, "torch.optim.Optimizer")
    betas = (settings.beta1, settings.beta2)
    if settings.optimizer == "adamw":
        decay = settings.weight_decay
        return torch.optim.AdamW(parameters, lr=rate, betas=betas, weight_decay=decay, foreach=True)
    return torch.optim.Adam(parameters, lr=rate, betas=betas, foreach=True)


def go_on(optimizer: torch.optim.Optimizer, state: Mapping) -> bool:
    """Gives an optimizer the moments in the state of another run's; its rate, decay and the like remain its own.

    Returns:
        False, with the optimizer as it was, where that was one of another kind or for other networks.
    """
    ours, theirs = optimizer.state_dict()["param_groups"], state["param_groups"]
    if [(set(group), len(group["params"])) for group in ours] != [(set(g), len(g["params"])) for g in theirs]:
        return False
    own = [{key: group[key] for key in optimizer.defaults} for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, values in zip(optimizer.param_groups, own, strict=True):
        group.update(values)
    return True
