"""Which variant wins: means and spread over seeds, and paired differences over the videos that all of them saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from facedeblur.metrics.bootstrap import Difference, mean_sd, paired_difference
from facedeblur.report.sweep.read import Run, Sweep

Window = tuple
Chosen = Callable[[dict], bool]
SCORES = {"psnr": "PSNR", "ssim": "SSIM"}
DIGITS = {"psnr": 2, "ssim": 4}
SURE = 0.05


@dataclass(frozen=True)
class Spread:
    """One score of one variant: mean and sample deviation over its seeds (NaN for one), and the seeds' values."""

    mean: float
    sd: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Against:
    """A variant against the reference on the same windows of the same seeds.

    Attributes:
        over_videos: mean difference with its interval and p over videos, each window's scores averaged over seeds
            first.
        seed_sd: sample standard deviation of the seeds' own mean differences (NaN for one).
        seeds: how many both have.
    """

    over_videos: Difference
    seed_sd: float
    seeds: int

    @property
    def beyond_seeds(self) -> bool | None:
        """Whether the difference is larger than the seeds' spread; None where one seed cannot tell."""
        return None if np.isnan(self.seed_sd) else abs(self.over_videos.value) > self.seed_sd

    @property
    def verdict(self) -> str:
        """In words: is it a difference, and is it larger than the spread over seeds?"""
        difference = self.over_videos
        if not difference.p < SURE:
            return "no clear difference"
        word = "better" if difference.value > 0 else "worse"
        if self.beyond_seeds is None:
            return f"{word}; one seed only"
        return f"{word}, beyond the seeds' spread" if self.beyond_seeds else f"{word}, within the seeds' spread"


def method_of(run: Run) -> str:
    """What the run trained, the last of its methods: `deblurred`, or `hourglass` for a first stage."""
    return "deblurred" if run.rows and "deblurred_psnr" in run.rows[0] else "hourglass"


def every(row: dict) -> bool:
    """Chooses all validation windows."""
    return True


def window_scores(run: Run, score: str, chosen: Chosen = every, gain: bool = False) -> dict[Window, float]:
    """`psnr` or `ssim` of what the run trained, for every validation window that is `chosen`.

    Args:
        gain: over the blurred image, instead of the score itself.
    """
    name = f"{method_of(run)}_{score}"
    return {_window(row): row[name] - (row[f"blurred_{score}"] if gain else 0.0) for row in run.rows if chosen(row)}


def video_of(row: dict) -> Window:
    """What identifies the row's video, wherever the cache lies: corpus, identity, and the end of its path."""
    return (row["corpus"], str(row.get("identity", "")), "/".join(PurePath(row["video"]).parts[-2:]))


def _window(row: dict) -> Window:
    return (*video_of(row), row["schedule"], row["start"], row["length"], row["reverse"])


def spread(runs: Sequence[Run], score: str, chosen: Chosen = every, gain: bool = False) -> Spread:
    """The score (or gain) of each seed's run, and its mean and deviation."""
    values = [list(window_scores(run, score, chosen, gain).values()) for run in runs]
    means = tuple(float(np.mean(scores)) for scores in values if scores)
    return Spread(*mean_sd(means), means)


def input_score(sweep: Sweep, score: str, chosen: Chosen = every) -> float:
    """The mean score of the blurred images over the `chosen` windows of a finished run; NaN without one."""
    runs = [run for variant in sweep.variants for run in sweep.of(variant)]
    values = [row[f"blurred_{score}"] for row in (runs[0].rows if runs else ()) if chosen(row)]
    return float(np.mean(values)) if values else float("nan")


def against(runs: Sequence[Run], reference: Sequence[Run], score: str, chosen: Chosen = every) -> Against | None:
    """`runs` minus `reference`, paired by seed and `chosen` window; None where they share nothing."""
    partners = {run.seed: run for run in reference}
    pairs = [(run, partners[run.seed]) for run in runs if run.seed in partners]
    differences: dict[Window, list[tuple[float, float]]] = {}
    seeds = []
    for run, partner in pairs:
        ours, theirs = window_scores(run, score, chosen), window_scores(partner, score, chosen)
        common = ours.keys() & theirs.keys()
        if not common:
            continue
        seeds.append(float(np.mean([ours[window] - theirs[window] for window in common])))
        for window in common:
            differences.setdefault(window, []).append((ours[window], theirs[window]))
    if not seeds:
        return None
    windows = sorted(differences)
    means = np.array([np.mean(differences[window], axis=0) for window in windows])
    videos = ["/".join(window[:3]) for window in windows]
    over_videos = paired_difference(means[:, 0], means[:, 1], videos)
    return Against(over_videos, mean_sd(seeds)[1], len(seeds))


@dataclass(frozen=True)
class Lead:
    """The best of several variants, and how it compares with the runner-up over the videos that both saw."""

    best: str
    runner_up: str
    paired: Against | None
    digits: int

    @property
    def differs(self) -> bool:
        """Whether the lead is more than chance over videos."""
        return self.paired is not None and self.paired.over_videos.p < SURE

    def __str__(self) -> str:
        if self.paired is None:
            return f"{self.best}, which shares no windows with {self.runner_up}"
        d = self.paired.over_videos
        lead = f"{d.value:+.{self.digits}f}".replace("-", "−")
        return f"{self.best}, {lead} against {self.runner_up} (p = {d.p:.3g}: {self.paired.verdict})"


def lead(sweep: Sweep, variants: Sequence[str], score: str, chosen: Chosen = every) -> Lead | None:
    """Who of `variants` is best on the `chosen` windows, and by how much; None where fewer than two have scores."""
    means = {variant: spread(sweep.of(variant), score, chosen).mean for variant in variants}
    order = sorted((v for v in variants if np.isfinite(means[v])), key=lambda v: -means[v])
    if len(order) < 2:
        return None
    best, second = order[:2]
    return Lead(best, second, against(sweep.of(best), sweep.of(second), score, chosen), DIGITS[score])


def reference_of(sweep: Sweep) -> str | None:
    """The variant others are compared with: the sweep's own, else the first that has a finished run."""
    finished = [variant for variant in sweep.variants if sweep.of(variant)]
    return sweep.reference if sweep.reference in finished else next(iter(finished), None)


def ranking(sweep: Sweep, score: str = "psnr") -> list[str]:
    """Variants with finished runs, best first."""
    means = {variant: spread(sweep.of(variant), score).mean for variant in sweep.variants if sweep.of(variant)}
    return sorted(means, key=lambda variant: -means[variant])
