"""A run as frozen, checked numbers: what Hydra's tree becomes before anything heavy is imported.

Every section of `conf/train.yaml` has its dataclass here, in a module beside, or in the package it configures.
`run_settings` turns plain dictionaries into them; an unknown key or an impossible value is a SettingsError of one line
that names the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from facedeblur.blur.settings import BlurSettings
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.settings import DataSettings
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.plugins import as_plugins, is_target, registered
from facedeblur.settings import ADDED, build, check, check_count, check_range, is_positive
from facedeblur.training.compared_settings import COMPARED, ComparedSettings

STAGES = ("adversarial", "hourglass", "localizer", *COMPARED)


OPTIMIZERS = ("adam", "adamw")


def _own(settings: object, name: str, others: Sequence[str] = ()) -> dict | None:
    """A plug-in in a field of that name. Raises ValueError for a text that is neither a target nor one of `others`."""
    value = getattr(settings, name)
    if isinstance(value, str) and not is_target(value):
        check(value in registered(), name, " or ".join([*others, "<file>.py:<Name>"]), value)
    return as_plugins({name: value}).get(name)


@dataclass(frozen=True)
class TrainerSettings:
    """How long, how fast and on what (section 5.1 where it speaks; method defaults elsewhere).

    Attributes:
        epochs, max_steps: planned length; the earlier ends the run.
        minutes: a time limit, which only stops.
        optimizer: adam, or adamw, which shrinks the weights by weight_decay; or a plug-in.
        learning_rate, discriminator_rate, beta1, beta2: the optimizer's.
        decay_start: share of the planned steps after which the rates fall linearly to 0; 1 keeps them constant, 0
            decays from the first step on.
        adversarial_start: share of the planned steps before the discriminator takes part (Eq. 2 and 4); until then the
            content and reconstruction losses train alone.
        accumulate: batches per optimizer step.
        clip: largest norm of each network's gradients, None = unlimited.
        ema: decay of the generator's moving average, None = off.
        precision: auto (bf16 where the hardware has it), 32, bf16 or fp16.
        devices: auto (every GPU) or how many processes.
        checkpoint_minutes: at most so many minutes are lost to a kill.
        validate_every: epochs.
        log_every: steps.

    Code of the user's own (docs/extend.md): optimizer(parameters, lr, options); schedule(step, planned,
    options), the factor of the learning rate; callbacks of Lightning's by name; metrics by name, images (B, 3, H, W)
    and the sharp ones in [0, 1] -> (B,), beside PSNR and SSIM at every validation.
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
    optimizer: object = field(default="adam", metadata=ADDED)
    weight_decay: float = field(default=0.0, metadata=ADDED)
    schedule: object = field(default=None, metadata=ADDED)
    callbacks: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)
    metrics: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            object.__setattr__(self, "optimizer", _own(self, "optimizer", OPTIMIZERS))
        object.__setattr__(self, "schedule", _own(self, "schedule"))
        object.__setattr__(self, "callbacks", as_plugins(self.callbacks, "callbacks"))
        object.__setattr__(self, "metrics", as_plugins(self.metrics, "metrics", refused=("psnr", "ssim")))
        for name in ("epochs", "accumulate", "nodes", "validate_every", "log_every", "grid_faces"):
            check_count(name, getattr(self, name))
        check_count("max_steps", self.max_steps, 1, None)
        check(self.minutes is None or is_positive(self.minutes), "minutes", "a positive number", self.minutes)
        for name in ("learning_rate", "discriminator_rate"):
            check(is_positive(getattr(self, name)) and getattr(self, name) < 1, name, "in (0, 1)", getattr(self, name))
        for name in ("beta1", "beta2", "weight_decay"):
            check(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        check_range(self, 0, 1, "decay_start", "adversarial_start")
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay: needs optimizer=adamw; Adam keeps weights as they are")
        check(self.clip is None or is_positive(self.clip), "clip", "null or positive", self.clip)
        check(self.ema is None or 0 < self.ema < 1, "ema", "null or in (0, 1)", self.ema)
        check(
            str(self.precision) in ("auto", "32", "bf16", "fp16"), "precision", "auto, 32, bf16 or fp16", self.precision
        )
        if self.precision == "fp16" and self.clip is not None:
            raise ValueError("clip: not with precision=fp16, whose gradients are scaled; use bf16 or 32")
        check(
            self.accelerator in ("auto", "cpu", "gpu", "mps"), "accelerator", "auto, cpu, gpu or mps", self.accelerator
        )
        check_count("devices", self.devices, 1, "auto")
        check_count("threads", self.threads, 1, "auto")
        check(is_positive(self.checkpoint_minutes), "checkpoint_minutes", "a positive number", self.checkpoint_minutes)


@dataclass(frozen=True)
class LoggerSettings:
    """metrics.csv is always written; these come beside it.

    Attributes:
        wandb: off, auto (online when logged in, else offline), online or offline.
        loggers: Lightning's or the user's own, by name.
    """

    name: str = "csv"
    wandb: str = "off"
    project: str = "facedeblur"
    tensorboard: bool = False
    loggers: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loggers", as_plugins(self.loggers, "loggers"))
        check(self.wandb in ("off", "auto", "online", "offline"), "wandb", "off, auto, online or offline", self.wandb)


@dataclass(frozen=True)
class SweepSettings:
    """The sweep a run belongs to: the sweep's name, this run's variant, and the variant others are compared with."""

    name: str
    variant: str
    reference: str | None = None


@dataclass(frozen=True)
class HourglassSettings:
    """The first stage's own data, blur and trainer, or a checkpoint that makes them unnecessary."""

    data: DataSettings
    blur: BlurSettings
    trainer: TrainerSettings
    checkpoint: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """One run: what `facedeblur train` is asked to do.

    Attributes:
        init: weights or another run to go on from.
        pieces: after training, its weights in files of so many MB at most.
    """

    stage: str
    experiment: str
    scale: str
    name: str
    seed: int
    output: str
    data: DataSettings
    blur: BlurSettings
    model: ModelSettings
    trainer: TrainerSettings
    hourglass: HourglassSettings
    logger: LoggerSettings = field(default_factory=LoggerSettings)
    loss: LossWeights = field(default_factory=LossWeights)
    compared: ComparedSettings = field(default_factory=ComparedSettings)
    sweep: SweepSettings | None = None
    init: str | None = None
    resume: str | None = None
    jobs: int | str = "auto"
    pieces: int | None = None
    prepare: PrepareSettings = field(default_factory=PrepareSettings)

    def __post_init__(self) -> None:
        check(self.stage in STAGES, "stage", f"one of {', '.join(STAGES)}", self.stage)
        check_count("seed", self.seed, 0)
        check_count("pieces", self.pieces, 1, None)
        check_count("jobs", self.jobs, 1, "auto")
        if self.stage == "hourglass" and self.init is not None:
            raise ValueError("init: weights hold a trained hourglass; they start an adversarial stage only")
        if self.stage in ("hourglass", "localizer") and self.model.hourglass_stacks == 0:
            raise ValueError("model.hourglass_stacks: must be at least 1 to train an hourglass, got 0")
        for key, code in (("model.plugins", self.model.plugins), ("loss.terms", self.loss.terms)):
            if self.stage in (*COMPARED, "localizer") and code:
                raise ValueError(
                    f"{key}.{next(iter(code))}: {self.stage} has networks and losses of its own; other code of yours "
                    "(optimizer, schedule, callbacks, metrics, data, blur) goes with it"
                )
        if self.stage == "chakrabarti16" and isinstance(self.trainer.optimizer, Mapping):
            raise ValueError("trainer.optimizer: chakrabarti16 is trained by its paper's; leave the key out")
        if self.stage == "kupyn17" and self.trainer.accumulate > 1:
            raise ValueError("trainer.accumulate: kupyn17 takes several critic steps on every batch; must be 1")
        if self.hourglass.trainer.ema is not None:
            raise ValueError("hourglass.trainer.ema: the first stage keeps no average; set it to null")
        for prefix, trainer, data, blur in (
            ("", self.trainer, self.data, self.blur),
            ("hourglass.", self.hourglass.trainer, self.hourglass.data, self.hourglass.blur),
        ):
            try:
                own = [schedule.name for schedule in data.schedules(blur) if schedule.kind == "plugin"]
            except ValueError as error:
                raise ValueError(f"{prefix}data.mixture: {error}") from None
            if own and data.frames == "device":
                raise ValueError(f"{prefix}data.frames: device has no blur of your own ({own[0]}); memory or disk")
            ranks = trainer.nodes * (trainer.devices if isinstance(trainer.devices, int) else 1)
            if data.batch % ranks or data.batch // ranks < 2:
                raise ValueError(
                    f"{prefix}data.batch: must give each of {ranks} ranks at least 2, all the same, got {data.batch}"
                )


def run_settings(plain: Mapping) -> RunSettings:
    """Builds RunSettings from the resolved configuration as plain dictionaries, lists and numbers.

    Raises:
        SettingsError: naming the full key, e.g. `trainer.learning_rate: must be in (0, 1), got -1`.
    """
    return build(RunSettings, _with_first_mixture(plain))


def _with_first_mixture(plain: Mapping) -> Mapping:
    """`plain` with the first stage's mixture, where it has none of its own: that of `data` where both have the same
    corpora, else one forward pass over whatever there is. A stage of kernels can do nothing with reversed passes alone.
    """
    try:
        data, first = plain["data"], plain["hourglass"]["data"]
        if first["mixture"] is not None:
            return plain
        named_by = ("corpora",) if first["kind"] in ("demo", "mixture") else ("name",)  # what rows call their corpus
        same = all(data[key] == first[key] for key in ("kind", *named_by))
        forward = any(not row.get("reverse") for row in data["mixture"])
    except (KeyError, TypeError, AttributeError):
        return plain  # `build` says what is wrong
    # rows that name their own blur name that of the other stage
    rows = [{key: value for key, value in row.items() if key != "blur"} for row in data["mixture"]]
    mixture = rows if same and forward else [{"corpus": None, "weight": 1}]
    return {**plain, "hourglass": {**plain["hourglass"], "data": {**first, "mixture": mixture}}}
