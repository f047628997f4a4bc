"""protocol.json: everything that the caption of a table made from these rows must say, and what makes them one set.

An evaluation folder may be added to, method by method and blur by blur, as long as what decides a row stays the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.evaluation.settings import EvaluationSettings, JudgeSettings
from facedeblur.evaluation.testset import TestSet
from facedeblur.faces import judges
from facedeblur.files import write_json
from facedeblur.methods import Method
from facedeblur.metrics.image import PSNR_CAP, SSIM_SIGMA, SSIM_WINDOW
from facedeblur.metrics.landmarks import LIMIT, STEP
from facedeblur.metrics.strength import quartiles
from facedeblur.settings import hashed
from facedeblur.versions import versions

FILE = "protocol.json"
# what may not change within one folder
FIXED = ("format", "image_size", "corpus", "judges", "schedule", "shard", "own_metrics")


METRICS = {
    "psnr": f"dB of 8-bit crops over all channels, at most {PSNR_CAP:.0f}",
    "ssim": f"luminance (BT.601), Gaussian window {SSIM_WINDOW}x{SSIM_WINDOW}, sigma {SSIM_SIGMA}, K1 .01, "
    "K2 .03, population covariance, of 8-bit crops",
    "landmark_error": "mean of 68 distances over the diagonal of the truth's tight box; +inf without a face",
    "auc": f"area under the CED on [0, {LIMIT}] by Simpson's rule, step {STEP:g}, divided by {LIMIT}",
    "failure_rate": f"share of errors above {LIMIT}",
    "failure_threshold": LIMIT,
    "not_delivered": "an image that a method did not deliver, and pixels that are not finite, count as black, "
    "and the face as not found",
    "seconds": "the deblurring alone, per image, in batches after one image to warm up; compared methods on the CPU "
    "one image a core",
}


def protocol(settings: EvaluationSettings, size: int, methods: Sequence[Method], tests: TestSet) -> dict[str, Any]:
    """The protocol of this call; `merged` joins it with what the folder holds already."""
    corpus = settings.data.corpus
    return {
        "format": 1,
        "image_size": size,
        "corpus": {
            "name": tests.name,
            "kind": "demo" if corpus is None else corpus.kind,
            "split": settings.data.split,
            "clips": len(tests.clips),
            "identities": len({clip.identity for clip in tests.clips}),
            "annotated": tests.annotated,
            "localised": tests.localised,
            "truth": _truth(settings, tests),
        },
        "blurs": {
            blur.schedule.name: {
                "windows": len(blur.plan),
                "skipped_clips": len(blur.report.skipped),
                "fingerprint": blur.schedule.fingerprint(),
                "mean_length": _mean(blur.plan.column("length")),
                "cut_points_db": _cut_points(blur.plan.column("psnr")),
                "manifest": blur.plan.fingerprint(),
            }
            for blur in tests.blurs
        },
        "judges": described_judges(settings.judge),
        "schedule": hashed(settings.schedule),
        "methods": {method.name: dict(method.source) for method in methods},
        "metrics": METRICS,
        "batch": settings.batch,
        "shard": settings.shard,
        "versions": versions(),
    }


def merged(folder: Path, new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` with the methods and blurs that the folder holds already.

    Raises:
        UsageError: the folder's rows were made otherwise: another size, corpus, judge or schedule, or a method of the
            same name that is another one, or a blur over other windows.
    """
    path = folder / FILE
    try:
        old = json.loads(path.read_text())
    except FileNotFoundError:
        return dict(new)
    except ValueError as error:
        raise UsageError(f"{path}: not readable ({error}); remove {folder} or choose another name=...") from error
    known = json.loads(json.dumps(new, default=str))  # as it would be read again
    for key in FIXED:
        if old.get(key) != known.get(key):
            difference = _difference(old.get(key), known.get(key))
            raise UsageError(f"{folder}: holds rows made with another {key} ({difference}); "
                             "choose another name=...")  # fmt: skip
    for kind, mark in (("methods", "fingerprint"), ("blurs", "manifest")):
        for name, described in known[kind].items():
            if name in old[kind] and old[kind][name].get(mark) != described.get(mark):
                raise UsageError(f"{folder}: holds rows of another {name}; give this one a label (method=label=...) or "
                                 "choose another name=...")  # fmt: skip
    return {**new, "methods": {**old["methods"], **new["methods"]}, "blurs": {**old["blurs"], **new["blurs"]}}


def write_protocol(folder: Path, content: Mapping[str, Any]) -> None:
    write_json(folder / FILE, content)


def described_judges(settings: JudgeSettings) -> dict[str, Any]:
    """The judges, and fingerprints of those that are files of the user's: rows of another state are other rows."""
    named = {name: getattr(settings, name) for name in ("localizer", "truth", "embedder")}
    prints = {name: judges.fingerprint(judge) for name, judge in named.items()}
    return asdict(settings) | {"files": {name: found for name, found in prints.items() if found is not None}}


def _truth(settings: EvaluationSettings, tests: TestSet) -> str:
    if not tests.localised:
        return "annotated landmarks"
    localised = f"{settings.judge.truth} on the full-resolution sharp frames"
    return localised if not tests.annotated else f"annotated landmarks where given, else {localised}"


def _mean(values: np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _cut_points(psnr: np.ndarray) -> list[float] | None:
    """Quartiles of PSNR(blurred, sharp) of the windows, in dB; None where the plan does not know them."""
    if not len(psnr) or np.isnan(psnr).any():
        return None
    return quartiles(psnr)


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in new:
            if old.get(key) != new[key]:
                return f"{key}: {old.get(key)!r}, now {new[key]!r}"
    return f"{old!r}, now {new!r}"
