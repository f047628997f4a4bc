"""Scores of one method under one blur, summed up as the paper's tables print them, with how sure they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from facedeblur.metrics.bootstrap import (
    Difference,
    Interval,
    bootstrap_interval,
    paired_difference,
    percentile_interval,
    resampled_means,
)
from facedeblur.metrics.landmarks import LIMIT, area_shares, auc, failure_rate
from facedeblur.report.rows import BLURRED, ORACLE, Rows

NAN = float("nan")
BLUR_TITLES = {
    "vla": "VLA",
    "pravg": "PrAvg",
    "trajectory": "synthetic",
    "camera_shake": "camera shake",
    "real": "real blur",
}
# what is compared between methods, in the order of the tables; all but failure: higher is better
MEASURES = ("auc", "failure", "ssim", "psnr", "cosine")


def per_image(rows: Rows, measure: str) -> np.ndarray:
    """What each image contributes to a score that is a mean over images; NaN where it has no part in it."""
    if measure in ("auc", "failure"):
        error = rows["landmark_error"]
        share = area_shares(error) if measure == "auc" else (error > LIMIT).astype(float)
        return np.where(np.isnan(error), NAN, share)
    return rows["identity_cosine" if measure == "cosine" else measure]


@dataclass(frozen=True)
class Summary:
    """Scores of one method under one blur, over `images` images of `groups` videos or people.

    Attributes:
        auc, failure: by menpofit's conventions, in [0, 1]; NaN without landmarks.
        ssim, psnr: means; psnr in dB, capped at 60 an image.
        cosine: mean over the images with an embedding on both sides.
        seconds: median per image.
        gap: share of the difference in AUC between blurred and oracle that is closed.
        intervals: measure -> 95 % bootstrap interval over groups.
        flags: flag -> images that carry it.
        own: means of metrics of the user's own.
    """

    method: str
    blur: str
    images: int
    groups: int
    auc: float
    failure: float
    ssim: float
    psnr: float
    cosine: float
    seconds: float
    intervals: dict[str, Interval]
    gap: Interval
    flags: dict[str, int]
    own: dict[str, float] = field(default_factory=dict)


def summarise(rows: Rows, method: str, blur: str) -> Summary:
    """Sums up the rows of a method under a blur. Raises ValueError when there are none."""
    mine = rows.where(method=method, blur=blur)
    if not len(mine):
        raise ValueError(f"no rows of {method} under {blur}")
    groups = mine.groups()
    errors = mine.known("landmark_error")
    flags = Counter(flag for text in mine["flags"] for flag in str(text).split(",") if flag)
    return Summary(
        method=method,
        blur=blur,
        images=len(mine),
        groups=len(set(groups.tolist())),
        auc=auc(errors) if len(errors) else NAN,
        failure=failure_rate(errors) if len(errors) else NAN,
        ssim=finite_mean(mine["ssim"]),
        psnr=finite_mean(mine["psnr"]),
        cosine=finite_mean(mine["identity_cosine"]),
        seconds=float(np.nanmedian(mine["seconds"])) if np.isfinite(mine["seconds"]).any() else NAN,
        intervals={name: bootstrap_interval(per_image(mine, name), groups) for name in (*MEASURES, *mine.own)},
        own={name: finite_mean(mine[name]) for name in mine.own},
        gap=gap_closed(rows, method, blur),
        flags=dict(sorted(flags.items())),
    )


def paired(rows: Rows, first: str, second: str, blur: str, measure: str = "auc") -> Difference:
    """The difference of two methods in a measure, over the images that both have under a blur.

    Args:
        rows: of an evaluation.
        first, second: the methods; the difference is the first minus the second.
        blur: name of the blur.
        measure: one of `MEASURES`.
    """
    one, two = common_images(rows, blur, first, second)
    return paired_difference(per_image(one, measure), per_image(two, measure), one.groups())


def gap_closed(rows: Rows, method: str, blur: str, measure: str = "auc") -> Interval:
    """(method - blurred) / (oracle - blurred): 0 for doing nothing, 1 for the sharp image, below 0 for harm.

    The interval resamples all three together. NaN when one of the three is missing, or oracle is not better than
    blurred.
    """
    nothing = Interval(NAN, NAN, NAN, 0)
    if not {BLURRED, ORACLE} <= set(rows.where(blur=blur).distinct("method")):
        return nothing
    parts = common_images(rows, blur, method, BLURRED, ORACLE)
    values = np.stack([per_image(part, measure) for part in parts], axis=1)
    kept = ~np.isnan(values).any(axis=1)
    values, groups = values[kept], parts[0].groups()[kept]
    if not len(values):
        return nothing
    sign = -1.0 if measure == "failure" else 1.0
    whole = sign * (values[:, 2].mean() - values[:, 1].mean())
    if whole <= 0:
        return nothing
    share = sign * float(values[:, 0].mean() - values[:, 1].mean()) / whole
    number = len(set(groups.tolist()))
    if number < 2:
        return Interval(share, NAN, NAN, number)
    means = resampled_means(values, groups)
    gaps = means[:, 2] - means[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (means[:, 0] - means[:, 1]) / gaps
    # a draw without a gap has no share of it; where that is common, so is not knowing
    shares = shares[sign * gaps > 0]
    interval = percentile_interval(shares) if len(shares) >= 0.975 * len(means) else (NAN, NAN)
    return Interval(share, *interval, number)


def common_images(rows: Rows, blur: str, *methods: str) -> tuple[Rows, ...]:
    """The rows of each method under `blur`, restricted to the images that all have, in one order."""
    parts = [rows.where(method=method, blur=blur) for method in methods]
    places = [{key: i for i, key in enumerate(part.image_keys())} for part in parts]
    shared = [key for key in places[0] if all(key in place for place in places[1:])]
    return tuple(
        part.select(np.array([place[key] for key in shared], dtype=np.int64))
        for part, place in zip(parts, places, strict=True)
    )


def ordered_methods(rows: Rows) -> list[str]:
    """The methods: blurred first, oracle last, between them by AUC (SSIM where no landmarks are), worst first."""
    methods = rows.distinct("method")
    measure = "auc" if np.isfinite(rows["landmark_error"]).any() else "ssim"

    def score(method: str) -> float:
        return finite_mean(per_image(rows.where(method=method), measure))

    between = sorted((m for m in methods if m not in (BLURRED, ORACLE)), key=lambda m: np.nan_to_num(score(m)))
    return [*(m for m in (BLURRED,) if m in methods), *between, *(m for m in (ORACLE,) if m in methods)]


def ordered_blurs(rows: Rows) -> list[str]:
    """The blurs of the rows in the paper's order: PrAvg by length, VLA, synthetic, then others."""
    order = ["pravg7", "pravg9", "pravg11", "pravg15", "pravg21", "pravg", "vla", "trajectory", "camera_shake"]
    return sorted(rows.distinct("blur"), key=lambda blur: (order.index(blur) if blur in order else len(order), blur))


def blur_title(blur: str) -> str:
    """As the paper writes it: pravg7 -> PrAvg 7, vla -> VLA."""
    if blur.startswith("pravg") and blur[5:].isdigit():
        return f"PrAvg {blur[5:]}"
    return BLUR_TITLES.get(blur, blur)


def finite_mean(values: np.ndarray) -> float:
    """The mean of the values that are finite, NaN where none is."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else NAN
