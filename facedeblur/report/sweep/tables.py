"""The tables of a sweep: variants with their paired differences, the matrix of blurs, jobs, and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from facedeblur.metrics.strength import quartiles
from facedeblur.progress import clock
from facedeblur.report.sweep.compare import (
    DIGITS,
    SURE,
    Against,
    Chosen,
    Lead,
    Spread,
    against,
    every,
    input_score,
    lead,
    reference_of,
    spread,
    video_of,
)
from facedeblur.report.sweep.read import Run, Sweep
from facedeblur.report.table import MISSING, Cell, Column, Table, label, number, ranked


def duration(seconds: float | None) -> Cell:
    """`75` -> 0:01:15, which sorts by seconds."""
    return Cell(MISSING) if seconds is None else Cell(clock(seconds), seconds)


def with_spread(value: Spread, score: str, mark: str = "") -> Cell:
    """Mean with the standard deviation over seeds, and a `mark` behind it."""
    note = "" if math.isnan(value.sd) else f"± {value.sd:.{DIGITS[score]}f}"
    return number(value.mean, DIGITS[score], f"{note}{mark}".strip())


def variant_table(sweep: Sweep) -> Table:
    """One row per variant: scores over seeds, and paired differences from the reference over the same videos."""
    reference = reference_of(sweep)
    columns = (
        Column("variant", numeric=False),
        Column("seeds"),
        Column("PSNR dB", "all windows"),
        Column("SSIM", "all windows"),
        Column("PSNR dB", "strongest quarter", hint="the quarter of windows whose blur is strongest"),
        Column("SSIM", "strongest quarter"),
        Column("PSNR dB", f"against {reference}", hint="mean paired difference, 95 % interval over videos"),
        Column("p", f"against {reference}", higher=False, hint="sign-flip test over videos"),
        Column("seeds ±", f"against {reference}", higher=False, hint="deviation of the seeds' own differences"),
        Column("verdict", f"against {reference}", numeric=False),
    )
    finished = [run for variant in sweep.variants for run in sweep.of(variant)]
    rows = []
    if finished:
        chosen = (every, every, *(strongest_windows(finished),) * 2)
        scores = zip(("psnr", "ssim") * 2, chosen, strict=True)
        cells = [number(input_score(sweep, score, which), DIGITS[score]) for score, which in scores]
        rows.append((label("the input, blurred"), number(None), *cells, *(number(None),) * 3, label("")))
    for variant in sweep.variants:
        runs = sweep.of(variant)
        if not runs:
            rows.append((label(variant), number(0, 0), *(number(None),) * 7, label("no finished run")))
            continue
        strongest = strongest_windows(runs)
        scores = [
            with_spread(spread(runs, score, chosen), score)
            for chosen in (every, strongest)
            for score in ("psnr", "ssim")
        ]
        paired = None if variant == reference else against(runs, sweep.of(reference), "psnr")
        rows.append((label(variant), number(len(runs), 0), *scores, *_paired_cells(paired, variant == reference)))
    windows = {len(run.rows) for run in sweep.runs if run.rows}
    videos = {video_of(row) for run in sweep.runs for row in run.rows}
    table = Table(
        columns,
        tuple(rows),
        f"Variants of {sweep.name}: mean and standard deviation over seeds",
        (
            f"{' or '.join(map(str, sorted(windows)))} validation windows of {len(videos)} videos, the same for all "
            "runs; scores of the weights that validation chose.",
            "Differences: each window's scores are averaged over seeds, then paired with the reference's; intervals "
            "are bootstrapped over videos, p is a sign-flip test over videos (not corrected for several variants).",
            "A difference is beyond the seeds' spread if it exceeds the standard deviation of the seeds' differences.",
        ),
    )
    for column in (2, 3, 4, 5):
        table = ranked(table, column)
    return table


def _paired_cells(paired: Against | None, is_reference: bool) -> tuple[Cell, ...]:
    if paired is None:
        return (*(number(None),) * 3, label("reference" if is_reference else "nothing in common"))
    difference = paired.over_videos
    interval = "" if math.isnan(difference.low) else f"{difference.low:+.2f} … {difference.high:+.2f}"
    shown = number(difference.value, 2, interval.replace("-", "−"), signed=True)
    return shown, number(difference.p, 4), number(paired.seed_sd, 2), label(paired.verdict)


def strongest_windows(runs: Sequence[Run]):
    """A test of rows: is its blur in the strongest quarter, by PSNR(blurred, sharp)?"""
    cut = quartiles([row["blurred_psnr"] for row in runs[0].rows])[0]
    return lambda row: row["blurred_psnr"] <= cut


def schedules_of(sweep: Sweep) -> list[str]:
    """The blurs that runs were validated on, in the order of the configuration."""
    asked = [name for run in sweep.runs for name in (run.config.get("blur") or {}).get("val_schedules", [])]
    present = {row["schedule"] for run in sweep.runs for row in run.rows}
    return [name for name in dict.fromkeys([*asked, *sorted(present)]) if name in present]


def tested_on(blur: str) -> Chosen:
    """Chooses the validation windows of one blur."""
    return lambda row: row["schedule"] == blur


def matrix(
    sweep: Sweep, score: str = "psnr", gain: bool = False
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """(variants, blurs, means over seeds, their standard deviations); NaN where there is none.

    Args:
        gain: of what was trained over the blurred image, instead of the score itself.
    """
    variants = [variant for variant in sweep.variants if sweep.of(variant)]
    blurs = schedules_of(sweep)
    cells = [[spread(sweep.of(variant), score, tested_on(blur), gain) for blur in blurs] for variant in variants]
    shape = (len(variants), len(blurs))
    means, sds = (np.array([[getattr(c, n) for c in line] for line in cells]).reshape(shape) for n in ("mean", "sd"))
    return variants, blurs, means, sds


def leads(sweep: Sweep, score: str = "psnr") -> dict[str, Lead]:
    """blur -> the variant that is best when tested on it, against the runner-up on the same videos."""
    variants = [variant for variant in sweep.variants if sweep.of(variant)]
    found = {blur: lead(sweep, variants, score, tested_on(blur)) for blur in schedules_of(sweep)}
    return {blur: one for blur, one in found.items() if one is not None}


def matrix_table(sweep: Sweep, score: str = "psnr") -> Table:
    """Rows: trained as; columns: tested on. Cells: mean and deviation over seeds, a star where the best leads."""
    variants, blurs, means, sds = matrix(sweep, score)
    leads_by_blur = leads(sweep, score)
    counts = {blur: max(sum(row["schedule"] == blur for row in run.rows) for run in sweep.runs) for blur in blurs}
    columns = (
        Column("trained as", numeric=False),
        *(Column(blur, "tested on", hint=f"{counts[blur]} windows") for blur in blurs),
    )
    rows = []
    for i, variant in enumerate(variants):
        starred = [
            blur in leads_by_blur and leads_by_blur[blur].differs and leads_by_blur[blur].best == variant
            for blur in blurs
        ]
        cells = [
            with_spread(Spread(means[i, j], sds[i, j], ()), score, " *" if starred[j] else "")
            for j in range(len(blurs))
        ]
        rows.append((label(variant), *cells))
    notes = (
        "Windows: " + ", ".join(f"{blur} {counts[blur]}" for blur in blurs) + ".",
        f"A star: the best differs from the runner-up, p < {SURE} in a sign-flip test over the same videos (not "
        "corrected for several columns).",
        *(
            ("Best of each column: " + "; ".join(f"{blur}: {one}" for blur, one in leads_by_blur.items()) + ".",)
            if leads_by_blur
            else ()
        ),
    )
    unit = "PSNR in dB" if score == "psnr" else "SSIM"
    caption = f"{unit} by the blur of training and of testing, mean and standard deviation over seeds"
    table = Table(columns, tuple(rows), caption, notes)
    for column in range(1, len(columns)):
        table = ranked(table, column)
    return table


def cost_table(sweep: Sweep) -> Table:
    """What every run took."""
    columns = (
        Column("run", numeric=False),
        Column("device", numeric=False),
        Column("wall time", higher=False, hint="of the training loop, all attempts"),
        Column("images/s", hint="training pairs per second of the training loop"),
        Column("peak memory MB", higher=False, hint="GPU memory where one was used, else of the process"),
        Column("attempts", higher=False),
    )
    rows = tuple(
        (
            label(run.name),
            label(run.device),
            duration(run.seconds),
            number(run.images_per_second, 1),
            number(run.peak_memory, 0),
            number(len(run.cost), 0),
        )
        for run in sweep.runs
    )
    total = sum(run.seconds or 0 for run in sweep.runs)
    notes = (f"All runs together: {clock(total)} of training, without the shared first stage.",)
    return Table(columns, rows, "Cost", notes)
