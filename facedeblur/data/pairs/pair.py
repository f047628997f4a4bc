"""One training pair: a blurry crop, its sharp middle frame, and the meta data that can make both again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from facedeblur.blur.schedule import Schedule, blur_single, named_schedule
from facedeblur.data.pairs.augment import AugmentSettings, augment
from facedeblur.data.pairs.reading import Cut, Finished, read_cuts
from facedeblur.data.plans.plan import PlannedWindow
from facedeblur.faces.crop import CropBox, points_to_crop
from facedeblur.video.album import AlbumSource
from facedeblur.video.fingerprint import check_content
from facedeblur.video.open import open_source
from facedeblur.video.source import FrameSource, VideoError


@dataclass(frozen=True, eq=False)
class PairMeta:
    """What a pair is, and enough to make it again.

    Attributes:
        content: fingerprint of the file, as planned.
        kernel_seed: None for averages.
        response: name of the response curve under which frames are averaged.
        crop: in pixels of the frame.
        size: side of the images in pixels.
        psnr: of blurry against sharp in the plan, dB.
        landmarks: (68, 2) float32 of the sharp image, in its own pixels.
        row: of the plan.
        kernel: the schedule that blurs a single frame; None for averages.
        augment: seed and settings of what was changed; None where nothing was.
    """

    corpus: str
    identity: str
    video: str
    backend: str
    content: str
    schedule: str
    start: int
    length: int
    reverse: bool
    kernel_seed: int | None
    response: str
    crop: CropBox
    size: int
    psnr: float
    landmarks: np.ndarray
    row: int
    kernel: Schedule | None = None
    augment: tuple[int, AugmentSettings] | None = None

    @property
    def cut(self) -> Cut:
        """What has to be read; a schedule of single frames needs only its sharp frame."""
        return Cut(self.start, self.length, self.crop, self.response if self.kernel is None else "identity")

    @property
    def is_given(self) -> bool:
        """Whether the blurry image is a file of its own."""
        return self.kernel is not None and self.kernel.kind == "given"

    def window(self) -> dict[str, Any]:
        """Which window of which video it is, as rows name it."""
        names = ("corpus", "identity", "video", "schedule", "start", "length", "reverse")
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for files; `augment` is {"seed", and its settings}."""
        augment = self.augment and {"seed": self.augment[0], **asdict(self.augment[1])}
        kernel = None if self.kernel is None else _fields(self.kernel)
        return {**vars(self), "crop": tuple(self.crop), "kernel": kernel, "augment": augment}


@dataclass(frozen=True, eq=False)
class Pair:
    """`blurry` and `sharp`: RGB uint8 (size, size, 3), and what they are."""

    blurry: np.ndarray
    sharp: np.ndarray
    meta: PairMeta


def describe(planned: PlannedWindow, row: int, size: int, schedules: Mapping[str, Schedule]) -> PairMeta:
    """The meta data of a planned window at `size` pixels; `schedules` are those that differ from their defaults."""
    kernel = None
    if planned.kernel_seed is not None:
        kernel = with_response(schedules.get(planned.schedule), planned.schedule, planned.response)
    return PairMeta(
        corpus=planned.corpus,
        identity=planned.identity,
        video=planned.window.video,
        backend=planned.backend,
        content=planned.content,
        schedule=planned.schedule,
        start=planned.window.start,
        length=planned.window.length,
        reverse=planned.window.reverse,
        kernel_seed=planned.kernel_seed,
        response=planned.response,
        crop=planned.crop,
        size=size,
        psnr=planned.psnr,
        landmarks=points_to_crop(planned.landmarks, planned.crop, size),
        row=row,
        kernel=kernel,
    )


def open_video(meta: PairMeta) -> FrameSource:
    """The video of a pair. Raises VideoError, also where another file has taken its place since it was planned."""
    check_content(meta.video, meta.content)
    return open_source(meta.video, meta.backend)


def blurry_partners(path: str, source: FrameSource) -> FrameSource:
    """The blurry pictures of pairs of files, in the order of the sharp ones. Raises VideoError where there are none."""
    partners = source.blurry() if isinstance(source, AlbumSource) else None
    if partners is None:
        raise VideoError(path, "holds no blurry pictures: given is the blur of pairs of files only")
    return partners


def read_pairs(metas: Sequence[PairMeta]) -> Iterator[Pair]:
    """Reads the pairs of one video, all of one size: forward once, each as its last frame comes by.

    Raises:
        VideoError: the video ends or stops decoding; the pairs before that have been given.
    """
    path, size, cuts = metas[0].video, metas[0].size, [meta.cut for meta in metas]
    with open_video(metas[0]) as source:
        partners: Iterator[Finished | None] = repeat(None)
        if any(meta.is_given for meta in metas):
            partners = read_cuts(path, blurry_partners(path, source), cuts, size)
        for (place, blurry, sharp), partner in zip(read_cuts(path, source, cuts, size), partners, strict=False):
            meta = metas[place]
            yield Pair(partner.sharp, sharp, meta) if meta.is_given else _finished(meta, blurry, sharp)


def read_pair(meta: PairMeta) -> Pair:
    """Reads one pair by itself, opening its video: for one window, not for an epoch. Raises VideoError."""
    return next(read_pairs([meta]))


def augmented(pair: Pair, settings: AugmentSettings, seed: int) -> Pair:
    """The pair after augmentation, its meta data saying how."""
    if not settings.active:
        return pair
    blurry, sharp, landmarks = augment(pair.blurry, pair.sharp, pair.meta.landmarks, settings, seed)
    return Pair(blurry, sharp, replace(pair.meta, augment=(seed, settings), landmarks=landmarks))


def _finished(meta: PairMeta, blurry: np.ndarray, sharp: np.ndarray) -> Pair:
    """The pair of what was read: a schedule of single frames blurs the sharp crop (Section 5.2), of its final size."""
    if meta.kernel is not None:
        blurry = np.rint(blur_single(sharp, meta.kernel, meta.kernel_seed, meta.landmarks)).astype(np.uint8)
    return Pair(blurry, sharp, meta)


@lru_cache
def with_response(schedule: Schedule | None, name: str, response: str) -> Schedule:
    """The schedule, else the named one with its defaults, under a response curve."""
    return replace(schedule or named_schedule(name), response=response)


@lru_cache
def _fields(schedule: Schedule) -> dict[str, Any]:
    return asdict(schedule)
