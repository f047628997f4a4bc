"""A run as frozen, checked numbers: what Hydra's tree becomes before anything heavy is imported.

Every section of `conf/train.yaml` has its dataclass here or in the package it configures. `run_settings` turns plain
dictionaries into them; an unknown key or an impossible value is a SettingsError of one line that names the key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.schedule import Schedule, named_schedule
from facedeblur.blur.trajectory import TrajectorySettings
from facedeblur.blur.vla import VLASettings
from facedeblur.data.corpora.settings import KINDS, CorpusSettings
from facedeblur.data.demo import DemoSettings
from facedeblur.data.prepare_settings import PrepareSettings
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.training.from_plain import build

STAGES = ("adversarial", "hourglass", "localizer")


def _check(condition: bool, name: str, wanted: str, value: object) -> None:
    if not condition:
        raise ValueError(f"{name}: must be {wanted}, got {value!r}")


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@dataclass(frozen=True)
class PassSettings:
    """One row of the training mixture: a corpus (None = any), a direction of time, and its share of the epoch.

    Exactly one of `weight` (relative) and `count` (windows per epoch) is given.
    """

    corpus: str | None = None
    reverse: bool = False
    weight: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        _check((self.weight is None) != (self.count is None), "weight", "given, or else count", self.weight)
        _check(self.weight is None or _positive(self.weight), "weight", "a positive number", self.weight)
        _check(self.count is None or _count(self.count), "count", "a whole number of at least 1", self.count)


@dataclass(frozen=True)
class DataSettings:
    """Which videos, how they are drawn and how they reach the network (sections 3.3 and 5.1).

    kind: `demo` renders its own corpus, `mixture` joins those of `corpora` (name -> corpus), every other kind reads
    `root` in its own layout; val_root, val_fraction, identities, every, min_frames, unreliable and splits are as in
    `CorpusSettings`. cache: folder of rendered corpora, indexes and plans.
    only_first_pass: keep the first row of the mixture alone.
    cache_pairs: "png" or "jpeg" keeps all finished pairs, at the size of the images, in `cache`; None reads videos.
    export: folder to which `prepare` writes all pairs, as export_layout "folders" or "shards" of export_image "png" or
    "jpeg".
    epoch_windows: windows an epoch draws (None = all the mixture allows). val_windows: at most so many are validated.
    batch: global, split over ranks. workers: reader processes per rank (`auto` = one per two cores, at most 8).
    strength: windows are drawn in proportion to their blur's RMSE to this power; 0 draws them uniformly.
    """

    name: str
    kind: str
    cache: str
    mixture: tuple[PassSettings, ...]
    demo: DemoSettings
    root: str | None = None
    val_root: str | None = None
    val_fraction: float = 0.1
    identities: str = "folder"
    every: int | None = None
    min_frames: int | None = None
    unreliable: str | None = None
    splits: str | None = None
    corpora: Mapping[str, CorpusSettings] = field(default_factory=dict)
    cache_pairs: str | None = None
    export: str | None = None
    export_layout: str = "folders"
    export_image: str = "png"
    only_first_pass: bool = False
    epoch_windows: int | None = None
    val_windows: int = 256
    batch: int = 16
    workers: int | str = "auto"
    buffer: int = 512
    strength: float = 1.0
    flip: float = 0.5
    photometric: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0

    def __post_init__(self) -> None:
        kinds = ("demo", "mixture", *KINDS)
        _check(self.kind in kinds, "kind", f"one of {', '.join(kinds)}", self.kind)
        if self.kind in KINDS and not self.root:
            raise ValueError(
                f"root: data={self.kind} needs a folder; give data.root=<folder> (make: CLIPS=<folder>); "
                "docs/data.md shows how it is laid out"
            )
        _check(self.cache_pairs in (None, "png", "jpeg"), "cache_pairs", "null, png or jpeg", self.cache_pairs)
        _check(self.export_layout in ("folders", "shards"), "export_layout", "folders or shards", self.export_layout)
        _check(self.export_image in ("png", "jpeg"), "export_image", "png or jpeg", self.export_image)
        if self.kind == "mixture":
            self._check_mixture()
        self.sources()  # its values are checked there
        _check(len(self.mixture) > 0, "mixture", "at least one row", self.mixture)
        _check(
            self.epoch_windows is None or _count(self.epoch_windows), "epoch_windows", "at least 1", self.epoch_windows
        )
        _check(_count(self.val_windows), "val_windows", "a whole number of at least 1", self.val_windows)
        _check(_count(self.batch, 2), "batch", "a whole number of at least 2", self.batch)
        _check(self.workers == "auto" or _count(self.workers, 0), "workers", "auto or 0, 1, 2...", self.workers)
        _check(_count(self.buffer), "buffer", "a whole number of at least 1", self.buffer)
        _check(0 <= self.strength <= 8, "strength", "a number in [0, 8]", self.strength)
        for name in ("flip", "photometric", "noise", "jpeg"):
            value = getattr(self, name)
            _check(0 <= value <= 1, name, "a probability in [0, 1]", value)

    def sources(self) -> tuple[CorpusSettings, ...]:
        """The corpora to list; none for the demo, which is rendered first."""
        if self.kind == "demo":
            return ()
        if self.kind == "mixture":
            return tuple(replace(c, name=name, cache=self.cache) for name, c in self.corpora.items())
        shared = (
            "root",
            "name",
            "val_root",
            "val_fraction",
            "identities",
            "every",
            "min_frames",
            "unreliable",
            "splits",
        )
        return (CorpusSettings(self.kind, cache=self.cache, **{key: getattr(self, key) for key in shared}),)

    def _check_mixture(self) -> None:
        if not self.corpora:
            raise ValueError(
                "corpora: data=mixture needs corpora, e.g. +data.corpora.mine={kind: clips, root: <folder>}"
            )
        for item in self.mixture:
            known = item.corpus is None or item.corpus in self.corpora
            _check(known, "mixture", f"rows of the corpora {', '.join(self.corpora)}", item.corpus)


@dataclass(frozen=True)
class BlurSettings:
    """A weighted list of blur schedules (sections 3.3 and 5.2) and what they share.

    schedules: name -> share of the epoch. val_schedules: what validation windows are made of.
    stride: frames between the starts of two windows (None = their length: no overlap). response: psi of Eq. 7.
    """

    name: str
    schedules: Mapping[str, float]
    val_schedules: tuple[str, ...]
    stride: int | None = None
    response: str = "identity"
    vla: VLASettings = field(default_factory=VLASettings)
    trajectory: TrajectorySettings = field(default_factory=TrajectorySettings)
    camera_shake: CameraShakeSettings = field(default_factory=CameraShakeSettings)

    def __post_init__(self) -> None:
        _check(len(self.schedules) > 0, "schedules", "at least one schedule", dict(self.schedules))
        for name, weight in self.schedules.items():
            _check(_positive(weight), f"schedules.{name}", "a positive weight", weight)
        self.training(), self.validation()  # names, stride and response are checked there

    def training(self) -> tuple[Schedule, ...]:
        """The schedules that training windows are made of."""
        return tuple(self._schedule(name, self.stride) for name in self.schedules)

    def validation(self) -> tuple[Schedule, ...]:
        """The schedules of validation; its windows never overlap."""
        return tuple(self._schedule(name, None) for name in self.val_schedules)

    def _schedule(self, name: str, stride: int | None) -> Schedule:
        shared = {"vla": self.vla, "trajectory": self.trajectory, "camera_shake": self.camera_shake}
        return named_schedule(name, stride=stride, response=self.response, **shared)


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
            _check(_count(getattr(self, name)), name, "a whole number of at least 1", getattr(self, name))
        _check(self.max_steps is None or _count(self.max_steps), "max_steps", "at least 1", self.max_steps)
        _check(self.minutes is None or _positive(self.minutes), "minutes", "a positive number", self.minutes)
        for name in ("learning_rate", "discriminator_rate"):
            _check(_positive(getattr(self, name)) and getattr(self, name) < 1, name, "in (0, 1)", getattr(self, name))
        for name in ("beta1", "beta2"):
            _check(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        for name in ("decay_start", "adversarial_start"):
            _check(0 <= getattr(self, name) <= 1, name, "in [0, 1]", getattr(self, name))
        _check(self.clip is None or _positive(self.clip), "clip", "null or positive", self.clip)
        _check(self.ema is None or 0 < self.ema < 1, "ema", "null or in (0, 1)", self.ema)
        _check(str(self.precision) in ("auto", "32", "bf16"), "precision", "auto, 32 or bf16", self.precision)
        _check(self.accelerator in ("auto", "cpu", "gpu"), "accelerator", "auto, cpu or gpu", self.accelerator)
        _check(self.devices == "auto" or _count(self.devices), "devices", "auto or at least 1", self.devices)
        _check(self.threads == "auto" or _count(self.threads), "threads", "auto or at least 1", self.threads)
        _check(_positive(self.checkpoint_minutes), "checkpoint_minutes", "a positive number", self.checkpoint_minutes)


@dataclass(frozen=True)
class LoggerSettings:
    """metrics.csv is always written; these come beside it.

    wandb: off, auto (online when logged in, else offline), online or offline.
    """

    name: str = "csv"
    wandb: str = "off"
    project: str = "facedeblur"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        _check(self.wandb in ("off", "auto", "online", "offline"), "wandb", "off, auto, online or offline", self.wandb)


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
    """One run: what `facedeblur train` is asked to do."""

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
    sweep: SweepSettings | None = None
    init: str | None = None
    resume: str | None = None
    jobs: int | str = "auto"
    prepare: PrepareSettings = field(default_factory=PrepareSettings)

    def __post_init__(self) -> None:
        _check(self.stage in STAGES, "stage", f"one of {', '.join(STAGES)}", self.stage)
        _check(_count(self.seed, 0), "seed", "a whole number of at least 0", self.seed)
        _check(self.jobs == "auto" or _count(self.jobs), "jobs", "auto or at least 1", self.jobs)
        if self.stage == "hourglass" and self.init is not None:
            raise ValueError("init: weights hold a trained hourglass; they start an adversarial stage only")
        if self.stage in ("hourglass", "localizer") and self.model.hourglass_stacks == 0:
            raise ValueError("model.hourglass_stacks: must be at least 1 to train an hourglass, got 0")
        if self.hourglass.trainer.ema is not None:
            raise ValueError("hourglass.trainer.ema: the first stage keeps no average; set it to null")
        for prefix, trainer, data in (
            ("", self.trainer, self.data),
            ("hourglass.", self.hourglass.trainer, self.hourglass.data),
        ):
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
    mixture = data["mixture"] if same and forward else [{"corpus": None, "weight": 1}]
    return {**plain, "hourglass": {**plain["hourglass"], "data": {**first, "mixture": mixture}}}
