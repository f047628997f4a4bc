"""One training pair: a blurry crop, its sharp middle frame, and the meta data that can make both again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from facedeblur.blur.schedule import Schedule, blur_single, named_schedule
from facedeblur.data.pairs.augment import AugmentSettings, augment
from facedeblur.data.pairs.reading import Cut, read_cuts
from facedeblur.data.plans.plan import PlannedWindow
from facedeblur.faces.crop import CropBox, points_to_crop
from facedeblur.video.fingerprint import check_content
from facedeblur.video.open import open_source
from facedeblur.video.source import FrameSource


@dataclass(frozen=True, eq=False)
class Pair:
    """`blurry` and `sharp`: RGB uint8 (size, size, 3).

    `meta`: corpus, identity, video, backend, content (of the file, as planned), schedule, start, length, reverse,
    kernel_seed (None for averages), response, crop (x, y, side in pixels of the frame), size, psnr (of the plan, dB),
    landmarks of the sharp image (68, 2) in its own pixels, row (of the plan), kernel (fields of the kernel's
    `Schedule`, or None) and augment (settings and seed, or None).
    """

    blurry: np.ndarray
    sharp: np.ndarray
    meta: dict[str, Any]


def describe(window: PlannedWindow, row: int, size: int, schedules: Mapping[str, Schedule]) -> dict[str, Any]:
    """The meta data of a planned window at `size` pixels; `schedules` are those that differ from their defaults."""
    kernel = None
    if window.kernel_seed is not None:
        schedule = schedules.get(window.schedule) or named_schedule(window.schedule)
        kernel = _fields(replace(schedule, response=window.response))
    return {
        "corpus": window.corpus,
        "identity": window.identity,
        "video": window.window.video,
        "backend": window.backend,
        "content": window.content,
        "schedule": window.schedule,
        "start": window.window.start,
        "length": window.window.length,
        "reverse": window.window.reverse,
        "kernel_seed": window.kernel_seed,
        "response": window.response,
        "crop": tuple(window.crop),
        "size": size,
        "psnr": window.psnr,
        "landmarks": points_to_crop(window.landmarks, window.crop, size),
        "row": row,
        "kernel": kernel,
        "augment": None,
    }


def open_video(meta: Mapping[str, Any]) -> FrameSource:
    """The video of a pair. Raises VideoError, also where another file has taken its place since it was planned."""
    check_content(meta["video"], meta.get("content", ""))
    return open_source(meta["video"], meta["backend"])


def cut_of(meta: Mapping[str, Any]) -> Cut:
    """What has to be read for a pair; a kernel schedule needs its sharp frame alone."""
    curve = meta["response"] if meta["kernel"] is None else "identity"
    return Cut(meta["start"], meta["length"], CropBox(*meta["crop"]), curve)


def finish(meta: dict[str, Any], blurry: np.ndarray, sharp: np.ndarray) -> Pair:
    """The pair of what was read: a schedule of single frames blurs the sharp crop (Section 5.2), of its final size."""
    if meta["kernel"] is not None:
        light = blur_single(sharp, named_schedule(**meta["kernel"]), meta["kernel_seed"], meta["landmarks"])
        blurry = np.rint(light).astype(np.uint8)
    return Pair(blurry, sharp, meta)


def augmented(pair: Pair, settings: AugmentSettings, seed: int) -> Pair:
    """The pair after augmentation, its meta data saying how."""
    if not settings.active:
        return pair
    blurry, sharp, landmarks = augment(pair.blurry, pair.sharp, pair.meta["landmarks"], settings, seed)
    record = {"augment": {"seed": seed, **asdict(settings)}, "landmarks": landmarks}
    return Pair(blurry, sharp, pair.meta | record)


def read_pair(meta: dict[str, Any]) -> Pair:
    """Reads one pair by itself, opening its video: for one window, not for an epoch. Raises VideoError."""
    with open_video(meta) as source:
        done = next(read_cuts(meta["video"], source, [cut_of(meta)], meta["size"]))
    return finish(meta, done.blurry, done.sharp)


def regenerate(meta: Mapping[str, Any]) -> Pair:
    """The pair that had this meta data, bit for bit, read again from its video. Raises VideoError."""
    pair = read_pair(dict(meta))
    if meta["augment"] is not None:
        settings = dict(meta["augment"])
        pair = augmented(pair, seed=settings.pop("seed"), settings=AugmentSettings(**settings))
    return Pair(pair.blurry, pair.sharp, dict(meta))


@lru_cache
def _fields(schedule: Schedule) -> dict[str, Any]:
    return asdict(schedule)
