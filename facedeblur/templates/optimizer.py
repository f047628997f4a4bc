from collections.abc import Iterable

import torch


def nesterov(parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.9) -> torch.optim.Optimizer:
    """An optimizer, in Adam's place for each network; `lr` is `trainer.learning_rate` or `discriminator_rate`."""
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov=True)
