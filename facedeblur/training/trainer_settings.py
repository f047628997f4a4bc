"""How long, how fast and on what a stage trains, as frozen, checked values."""

from __future__ import annotations

from dataclasses import dataclass

from facedeblur.settings import check, is_count, is_positive


@dataclass(frozen=True)
class TrainerSettings:
    """How long, how fast and on what (section 5.1 where it speaks; method defaults elsewhere).

    epochs, max_steps: planned length; the earlier ends the run. minutes: a time limit, which only stops.
    learning_rate, discriminator_rate, beta1, beta2: Adam's.
    decay_start: share of the planned steps after which the rates fall linearly to 0.
    adversarial_start: share of the planned steps before the discriminator takes part (Eq. 2 and 4); until then the
    content and reconstruction losses train alone.
    accumulate: batches per optimizer step. clip: largest norm of each network's gradients, None = unlimited.
    ema: decay of the generator's moving average, None = off.
    precision: auto (bf16 where the hardware has it), 32 or bf16. devices: auto (every GPU) or a number of processes.
    checkpoint_minutes: at most so many minutes are lost to a kill. validate_every: epochs. log_every: steps.
    """

    epochs: int
    max_steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 2e-4
    discriminator_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    decay_start: float = 0.5
    adversarial_start: float = 0.0
    accumulate: int = 1
    clip: float | None = None
    ema: float | None = None
    precision: str | int = "auto"
    accelerator: str = "auto"
    devices: int | str = "auto"
    nodes: int = 1
    threads: int | str = "auto"
    checkpoint_minutes: float = 5.0
    validate_every: int = 1
    log_every: int = 10
    grid_faces: int = 8

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "nodes", "validate_every", "log_every", "grid_faces"):
            check(is_count(getattr(self, name)), name, "a whole number of at least 1", getattr(self, name))
        check(self.max_steps is None or is_count(self.max_steps), "max_steps", "at least 1", self.max_steps)
        check(self.minutes is None or is_positive(self.minutes), "minutes", "a positive number", self.minutes)
        for name in ("learning_rate", "discriminator_rate"):
            check(is_positive(getattr(self, name)) and getattr(self, name) < 1, name, "in (0, 1)", getattr(self, name))
        for name in ("beta1", "beta2"):
            check(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        for name in ("decay_start", "adversarial_start"):
            check(0 <= getattr(self, name) <= 1, name, "in [0, 1]", getattr(self, name))
        check(self.clip is None or is_positive(self.clip), "clip", "null or positive", self.clip)
        check(self.ema is None or 0 < self.ema < 1, "ema", "null or in (0, 1)", self.ema)
        check(str(self.precision) in ("auto", "32", "bf16"), "precision", "auto, 32 or bf16", self.precision)
        check(self.accelerator in ("auto", "cpu", "gpu"), "accelerator", "auto, cpu or gpu", self.accelerator)
        check(self.devices == "auto" or is_count(self.devices), "devices", "auto or at least 1", self.devices)
        check(self.threads == "auto" or is_count(self.threads), "threads", "auto or at least 1", self.threads)
        check(is_positive(self.checkpoint_minutes), "checkpoint_minutes", "a positive number", self.checkpoint_minutes)
