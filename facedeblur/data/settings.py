"""What a stage learns from, as frozen, checked values: corpora, their mixture, and how windows are drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from facedeblur.blur.schedule import Schedule
from facedeblur.blur.settings import BlurSettings
from facedeblur.data.corpora.settings import CorpusSettings, Selection, check_kind
from facedeblur.data.demo import DemoSettings
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.plugins import as_plugins
from facedeblur.settings import ADDED, check, check_count, check_range, hashed, is_positive

KEEP = ("stream", "memory", "disk", "device")  # where training's faces are
OF_STORED = ("redraw", "zoom", "shift", "turn", "drift")  # settings that need stored frames


@dataclass(frozen=True)
class PassSettings:
    """One row of the training mixture: a corpus (None = any), a direction of time, and its share of the epoch.

    Exactly one of `weight` (relative) and `count` (windows per epoch) is given. blur: schedules of only this row and
    their shares; None: those of the stage's blur.
    """

    corpus: str | None = None
    reverse: bool = False
    weight: float | None = None
    count: int | None = None
    blur: Mapping[str, float] | None = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        check((self.weight is None) != (self.count is None), "weight", "given, or else count", self.weight)
        check(self.weight is None or is_positive(self.weight), "weight", "a positive number", self.weight)
        check_count("count", self.count, 1, None)
        check(self.blur is None or len(self.blur) > 0, "blur", "null, or schedules and their weights", self.blur)
        for name, weight in (self.blur or {}).items():
            check(is_positive(weight), f"blur.{name}", "a positive weight", weight)


@dataclass(frozen=True)
class DataSettings(Selection):
    """Which videos, how they are drawn and how they reach the network (sections 3.3 and 5.1).

    Attributes:
        kind: `demo` renders its own corpus, `mixture` joins those of `corpora` (name -> corpus), `frames` holds faces
            that `prepare` packed into its folder export_frames, every other kind reads `root` in its own layout, of
            which the fields of `Selection` say what is used.
        cache: folder of rendered corpora, indexes and plans.
        only_first_pass: keep only the first row of the mixture.
        cache_pairs: "png" or "jpeg" keeps all finished pairs, at the size of the images, in `cache`; None reads videos.
        export: folder to which `prepare` writes all pairs, as export_layout "folders" or "shards" of export_image "png"
            or "jpeg".
        epoch_windows: windows an epoch draws (None = all the mixture allows).
        val_windows: at most so many are validated.
        batch: global, split over ranks.
        workers: reader processes per rank (`auto` = one per two cores, at most 8).
        strength: windows are drawn in proportion to their blur's RMSE to this power; 0 draws them uniformly.
        frames: "memory", "disk" or "device" (where the network is) decodes the faces of training once and keeps them,
            at most frames_limit GB of them (None: what is free allows), with `frames_margin` of what a crop shows
            around it and `frames_oversample` pixels for one of the image; "stream" reads the videos every epoch.
        redraw: windows begin elsewhere and kernels differ in every epoch; it needs stored frames.
        zoom, shift, turn, drift: how far crops lie beside the rule's (`AugmentSettings`); they need stored frames.
    """

    name: str
    kind: str
    cache: str
    mixture: tuple[PassSettings, ...]
    demo: DemoSettings
    root: str | None = None
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
    frames: str = field(default="stream", metadata=ADDED)
    frames_limit: float | None = field(default=None, metadata=ADDED)
    frames_margin: float = field(default=1.4, metadata=ADDED)
    frames_oversample: float = field(default=1.5, metadata=ADDED)
    export_frames: str | None = field(default=None, metadata=ADDED)
    redraw: bool = field(default=False, metadata=ADDED)
    zoom: float = field(default=0.0, metadata=ADDED)
    shift: float = field(default=0.0, metadata=ADDED)
    turn: float = field(default=0.0, metadata=ADDED)
    drift: float = field(default=0.0, metadata=ADDED)
    soft: float = field(default=0.0, metadata=ADDED)
    augmentation: object = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        own = as_plugins({"augmentation": self.augmentation})
        object.__setattr__(self, "augmentation", own.get("augmentation"))
        check_kind(self.kind, ("demo", "mixture", "frames"))
        if self.kind not in ("demo", "mixture") and not self.root:
            raise ValueError(
                f"root: data={self.kind} needs a folder; give data.root=<folder> (make: CLIPS=<folder>); "
                "docs/data.md shows how it is laid out"
            )
        check(self.cache_pairs in (None, "png", "jpeg"), "cache_pairs", "null, png or jpeg", self.cache_pairs)
        check(self.export_layout in ("folders", "shards"), "export_layout", "folders or shards", self.export_layout)
        check(self.export_image in ("png", "jpeg"), "export_image", "png or jpeg", self.export_image)
        if self.kind == "mixture":
            self._check_mixture()
        self.sources()  # its values are checked there
        check(len(self.mixture) > 0, "mixture", "at least one row", self.mixture)
        check_count("epoch_windows", self.epoch_windows, 1, None)
        check_count("val_windows", self.val_windows)
        check_count("batch", self.batch, 2)
        check_count("workers", self.workers, 0, "auto")
        check_count("buffer", self.buffer)
        check_range(self, 0, 8, "strength")
        check_range(self, 0, 1, "flip", "photometric", "noise", "jpeg", "soft")
        self._check_frames()

    def passes(self) -> tuple[PassSettings, ...]:
        """The rows of the mixture that are kept."""
        return self.mixture[:1] if self.only_first_pass else self.mixture

    def schedules(self, blur: BlurSettings) -> tuple[Schedule, ...]:
        """The schedules of all rows: their own, or those of `blur`. Raises ValueError for an unknown name."""
        return blur.training(name for item in self.passes() for name in (item.blur or blur.schedules))

    def sources(self) -> tuple[CorpusSettings, ...]:
        """The corpora to list; none for the demo, which is rendered first, and for packed faces."""
        if self.kind in ("demo", "frames"):
            return ()
        if self.kind == "mixture":
            return tuple(replace(c, name=name, cache=self.cache) for name, c in self.corpora.items())
        selection = {each.name: getattr(self, each.name) for each in fields(Selection)}
        return (CorpusSettings(self.kind, self.root, self.name, self.cache, **selection),)

    def _check_frames(self) -> None:
        check(self.frames in KEEP, "frames", f"one of {', '.join(KEEP)}", self.frames)
        limit = self.frames_limit
        check(limit is None or is_positive(limit), "frames_limit", "null or a positive number of GB", limit)
        check_range(self, 1.1, 4, "frames_margin")
        check_range(self, 1, 4, "frames_oversample")
        check_range(self, 0, 0.5, "zoom", "shift")
        check_range(self, 0, 45, "turn")
        check_range(self, 0, 1, "drift")
        if self.kind == "frames" and self.frames not in ("memory", "device"):
            raise ValueError(f"frames: data=frames holds no videos; memory or device, got {self.frames!r}")
        if self.frames != "stream" and any(source.kind == "pairs" for source in self.sources()):
            raise ValueError(
                f"frames: pairs of files are not among stored faces; stream (cache_pairs=png keeps them cut out), "
                f"got {self.frames!r}"
            )
        if self.frames != "stream" and self.cache_pairs is not None:
            raise ValueError(f"cache_pairs: not beside frames={self.frames}, which keeps faces; set it to null")
        if self.frames == "device" and self.augmentation is not None:
            raise ValueError("augmentation: not with frames=device, which makes whole batches; frames=memory or disk")
        for name in OF_STORED:
            if self.frames == "stream" and getattr(self, name):
                raise ValueError(f"{name}: needs stored frames: data.frames=memory, disk or device")

    def _check_mixture(self) -> None:
        if not self.corpora:
            raise ValueError(
                "corpora: data=mixture needs corpora, e.g. +data.corpora.mine={kind: clips, root: <folder>}"
            )
        for item in self.mixture:
            known = item.corpus is None or item.corpus in self.corpora
            check(known, "mixture", f"rows of the corpora {', '.join(self.corpora)}", item.corpus)


def plans_mark(data: DataSettings, blur: BlurSettings, prepare: PrepareSettings | None) -> Path:
    """The empty file that says that this corpus was once planned like this; it lies in that cache."""
    described = {"data": hashed(data), "blur": hashed(blur), "prepare": hashed(prepare) if prepare else None}
    key = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return Path(data.cache) / "shared" / key
