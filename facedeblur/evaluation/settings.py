"""What `facedeblur evaluate` is asked for, as frozen, checked plain values; no torch, no videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.schedule import Schedule
from facedeblur.blur.settings import BlurSettings
from facedeblur.blur.trajectory import TrajectorySettings
from facedeblur.blur.vla import VLASettings
from facedeblur.data.corpora import layout
from facedeblur.data.corpora.settings import CorpusSettings, check_kind
from facedeblur.data.demo import DemoSettings
from facedeblur.models.settings import SIDE_MULTIPLE
from facedeblur.plugins import as_plugins
from facedeblur.settings import ADDED, SettingsError, build, check, check_count, is_count

# of the rows (`evaluation.rows`) and of their summary: names that a metric of one's own cannot have
COLUMNS = (
    "method", "corpus", "category", "identity", "blur", "video", "frame", "L", "psnr", "ssim", "landmark_error",
    "identity_cosine", "seconds", "flags", "landmarks", "truth", "embedding", "image", "images", "auc", "failure_rate",
    "cosine", "flagged",
)  # fmt: skip
SPLITS = ("auto", "train", "val", "test", "all")


@dataclass(frozen=True)
class JudgeSettings:
    """Who judges restored faces, and how.

    Attributes:
        localizer: finds landmarks on the restored crop: "dlib", a trained localiser (run folder), or <file>.py:<Class>.
        truth: says where they are in the full-resolution sharp frame, where it is not annotated; chosen separately.
        embedder: for the identity score: "dlib", "none", or the weight file of a FaceNet (see faces/facenet.py).
        box: "detect": the judge has to find the face in the restored crop, and a miss is a failure; "truth": it is
            given the box of the true landmarks.
        align: the embedder cuts the face by the "truth", the same for every method, or by the "judge"'s landmarks.
        size: side in pixels to which crops are resized for the judges.

    Raises:
        ValueError: naming the field.
    """

    localizer: str = "dlib"
    truth: str = "dlib"
    embedder: str = "dlib"
    box: str = "detect"
    align: str = "truth"
    size: int = 256

    def __post_init__(self) -> None:
        check(self.box in ("detect", "truth"), "box", "detect or truth", self.box)
        check(self.align in ("truth", "judge"), "align", "truth or judge", self.align)
        check(is_count(self.size, 64), "size", "a whole number of pixels of at least 64", self.size)


@dataclass(frozen=True)
class TestData:
    """A corpus as a test set.

    Attributes:
        corpus: None for the rendered demo.
        split: which of its clips; "auto" is its test split where it has one, else what is held out by its folders, else
            all of it.
    """

    __test__ = False  # not a test class

    name: str
    cache: str
    corpus: CorpusSettings | None
    demo: DemoSettings = field(default_factory=DemoSettings)
    split: str = "auto"

    def __post_init__(self) -> None:
        check(self.split in SPLITS, "split", f"one of {', '.join(SPLITS)}", self.split)


@dataclass(frozen=True)
class ScheduleSettings:
    """What the blurs share, and blurs of the user's own, see `BlurSettings`; windows of a test set never overlap."""

    response: str = "identity"
    vla: VLASettings = field(default_factory=VLASettings)
    trajectory: TrajectorySettings = field(default_factory=TrajectorySettings)
    camera_shake: CameraShakeSettings = field(default_factory=CameraShakeSettings)
    plugins: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)
    windows: Mapping[str, object] = field(default_factory=dict, metadata=ADDED)


@dataclass(frozen=True)
class EvaluationSettings:
    """One call of `facedeblur evaluate`.

    Attributes:
        methods: see `facedeblur.methods`.
        blurs: names of schedules.
        size: side of the images in pixels, None = that of the trained methods, else 128.
        images: at most so many windows per blur, spread over people and strengths; None = all.
        front_door: every method also as `facedeblur.load()(frame)` applies it to whole frames, see
            `facedeblur.evaluation.front_door`.
        save: restored images are kept as PNG.
        jobs: judging processes; 0 judges in the main process.
        batch: images deblurred at a time.
        plugins: networks of your own that runs were trained with.
        metrics: name -> one of your own, a column of the rows.
        shard: windows between two files of rows, what an interruption costs at most.
    """

    name: str
    output: str
    methods: tuple[str, ...]
    blurs: tuple[str, ...]
    data: TestData
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    size: int | None = None
    images: int | None = None
    front_door: bool = False
    save: bool = True
    device: str = "auto"
    jobs: int | str = "auto"
    batch: int = 16
    shard: int = 128
    plugins: tuple[str, ...] = ()
    metrics: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", as_plugins(self.metrics, "metrics", refused=COLUMNS))
        check(len(self.blurs) > 0, "blur", "at least one schedule", self.blurs)
        check(len(set(self.blurs)) == len(self.blurs), "blur", "schedules of distinct names", self.blurs)
        for schedule in self.schedules():  # names and settings are checked there
            alone = schedule.kind in ("plugin", "motion", "sharp")
            check(not (self.front_door and alone), "front_door", f"false for {schedule.name}, which blurs crops", True)
        if self.size is not None:
            valid = is_count(self.size, SIDE_MULTIPLE) and self.size % SIDE_MULTIPLE == 0
            check(valid, "size", f"a multiple of {SIDE_MULTIPLE}", self.size)
        check_count("images", self.images, 1, None)
        check_count("jobs", self.jobs, 0, "auto")
        for name in ("batch", "shard"):
            check_count(name, getattr(self, name))

    @property
    def folder(self) -> Path:
        """`<output>/evaluation/<name>`."""
        return Path(self.output) / "evaluation" / self.name

    def schedules(self) -> tuple[Schedule, ...]:
        """The blur schedules, their windows never overlapping."""
        shared = {f.name: getattr(self.schedule, f.name) for f in fields(self.schedule)}
        return BlurSettings("evaluation", dict.fromkeys(self.blurs, 1.0), self.blurs, **shared).validation()


def evaluation_settings(plain: Mapping[str, Any]) -> EvaluationSettings:
    """Builds EvaluationSettings from the resolved configuration (`conf/evaluate.yaml`) as plain values.

    Of the node `data`, which any corpus of `conf/data` may be, only what says where the corpus is counts. Raises
    SettingsError naming the key.
    """
    own = {key: value for key, value in plain.items() if key not in ("scale", "split")}
    return build(EvaluationSettings, own | {"data": _test_data(plain["data"], plain["split"])})


def _test_data(data: Mapping[str, Any], split: str) -> dict[str, Any]:
    kind, corpus = data["kind"], None
    if kind != "demo":
        try:
            check_kind(kind, ("demo",))
        except ValueError as error:
            raise SettingsError(f"data.{error}") from error
        if not data.get("root"):
            raise SettingsError(f"data.root: the folder of {data['name']} is missing; expected is {layout(kind)}")
        known = {f.name for f in fields(CorpusSettings)}
        # no person is held out by chance: a test set is all of a folder, or what its layout says
        corpus = {key: value for key, value in data.items() if key in known} | {"val_fraction": 0.0}
        build(CorpusSettings, corpus, "data.")  # its errors name the key
    return {"name": data["name"], "cache": data["cache"], "corpus": corpus, "demo": data["demo"], "split": split}
