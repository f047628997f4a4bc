import math


def cosine(step: int, planned: int, warmup: int = 100) -> float:
    """The factor of the learning rate at a generator step: a linear rise, then half a cosine to 0 at `planned`."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, planned - warmup))
