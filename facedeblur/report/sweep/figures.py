"""The plots of a sweep as SVG data URIs: curves with seed bands, seeds as dots, a grid or a matrix as a heat map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from facedeblur.report.plots import new_figure, svg_uri
from facedeblur.report.sweep.compare import Lead, lead, spread
from facedeblur.report.sweep.read import Sweep
from facedeblur.report.sweep.tables import leads, matrix

# Okabe and Ito's colours, which colour-blind people distinguish too
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5c00", "#444444", "#a0a0a0", "#5b2a86")
TITLES = {
    "val/psnr": "validation PSNR in dB",
    "val/ssim": "validation SSIM",
    "train/g_content_image": "content loss, image (training)",
    "train/g_reconstruction": "reconstruction loss of G_s (training)",
}


def colour(sweep: Sweep, variant: str) -> str:
    """The same colour for a variant in every plot."""
    return COLOURS[sweep.variants.index(variant) % len(COLOURS)]


def curves(sweep: Sweep, metric: str) -> str | None:
    """A line per variant, the mean over its seeds, in a band from the lowest to the highest; None without data."""
    axes, finish = _canvas(5.2, 3.1)
    drawn = False
    for variant in sweep.variants:
        found = [run.curves[metric] for run in sweep.of(variant, done=False) if metric in run.curves]
        if not found:
            continue
        steps, low, mean, high = band(found)
        tone = colour(sweep, variant)
        axes.plot(steps, mean, color=tone, label=variant, linewidth=1.6, marker="." if len(steps) < 12 else None)
        axes.fill_between(steps, low, high, color=tone, alpha=0.15, linewidth=0)
        drawn = True
    if not drawn:
        return None
    axes.set_xlabel("generator step")
    axes.set_title(TITLES.get(metric, metric), loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    return finish()


def band(found: Sequence[tuple[list[float], list[float]]]) -> tuple[np.ndarray, ...]:
    """(steps, lowest, mean, highest) over curves, at every step of any of them; a curve counts as far as it goes."""
    steps = np.unique(np.concatenate([np.asarray(steps) for steps, _ in found]))
    values = np.array([np.interp(steps, x, y, left=np.nan, right=np.nan) for x, y in found])
    count = np.isfinite(values).sum(axis=0)
    mean = np.nansum(values, axis=0) / np.maximum(count, 1)
    return steps, np.nanmin(values, axis=0), mean, np.nanmax(values, axis=0)


def seed_dots(sweep: Sweep, score: str = "psnr") -> str | None:
    """A line for every variant with a dot per seed and a bar at their mean."""
    variants = [variant for variant in sweep.variants if sweep.of(variant)]
    if not variants:
        return None
    axes, finish = _canvas(5.2, 0.8 + 0.42 * len(variants))
    for row, variant in enumerate(variants):
        found = spread(sweep.of(variant), score)
        tone = colour(sweep, variant)
        axes.plot(found.values, [row] * len(found.values), "o", color=tone, alpha=0.6, markersize=6)
        axes.plot([found.mean, found.mean], [row - 0.3, row + 0.3], color=tone, linewidth=2.2)
    axes.set_yticks(range(len(variants)), variants)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.set_xlabel("PSNR in dB: dots are seeds, bars their mean" if score == "psnr" else "SSIM")
    return finish()


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    sds: np.ndarray,
    labels: tuple[str, str],
    best: Mapping[tuple[int, int], bool],
    digits: int = 2,
) -> str:
    """A matrix as colours with its numbers and their deviations written in; NaN stays white.

    Args:
        labels: of the vertical and the horizontal axis.
        best: (row, column) of cells in bold; with a star where the value is True.
    """
    axes, finish = _canvas(1.8 + 0.85 * len(columns), 1.2 + 0.58 * len(rows))
    axes.imshow(np.ma.masked_invalid(values), cmap="Blues", aspect="auto", vmin=_lowest(values))
    middle = np.nanmean([_lowest(values), np.nanmax(values)]) if np.isfinite(values).any() else 0
    for i, j in np.ndindex(*values.shape):
        if np.isfinite(values[i, j]):
            tone = "white" if values[i, j] > middle else "black"
            star = "*" if best.get((i, j)) else ""
            sd = f"\n± {sds[i, j]:.{digits}f}" if np.isfinite(sds[i, j]) else ""
            weight = "bold" if (i, j) in best else "normal"
            text = f"{values[i, j]:.{digits}f}{star}{sd}"
            axes.text(j, i, text, ha="center", va="center", fontsize=8.5, color=tone, fontweight=weight)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylabel(labels[0]), axes.set_xlabel(labels[1])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return finish()


def _lowest(values: np.ndarray) -> float:
    """A little below the smallest value, so that it is not white."""
    if not np.isfinite(values).any():
        return 0.0
    low, high = np.nanmin(values), np.nanmax(values)
    return float(low - 0.25 * max(high - low, 1e-9))


def over_numbers(sweep: Sweep, varied: dict[str, dict[str, float]]) -> tuple[str | None, str]:
    """(plot, caption) of the score over the one or two numbers that the sweep varies; (None, "") for other sweeps."""
    if len(varied) not in (1, 2):
        return None, ""
    best_lead = lead(sweep, list(next(iter(varied.values()))), "psnr")
    result = (
        f" Best: {best_lead}; a star marks a lead that is more than chance over the same videos." if best_lead else ""
    )
    if len(varied) == 1:
        ((key, by),) = varied.items()
        plot, caption = (
            over_number(sweep, key, by, best_lead),
            "Means and standard deviations over seeds, dots are seeds.",
        )
    else:
        plot, caption = (
            over_grid(sweep, varied, best_lead),
            "Validation PSNR in dB, mean and standard deviation over seeds.",
        )
    return plot, f"{caption}{result}"


def over_number(sweep: Sweep, key: str, by: dict[str, float], best_lead: Lead | None) -> str | None:
    """PSNR over the one number that the sweep varies: mean, deviation and every seed; the best is ringed."""
    points = sorted((by[variant], variant) for variant in by if sweep.of(variant))
    if len(points) < 2:
        return None
    axes, finish = _canvas(5.2, 3.1)
    found = [spread(sweep.of(variant), "psnr") for _, variant in points]
    x, means = [value for value, _ in points], [s.mean for s in found]
    axes.errorbar(x, means, [s.sd for s in found], color=COLOURS[0], marker="o", linewidth=1.6, capsize=4)
    for value, s in zip(x, found, strict=True):
        axes.plot([value] * len(s.values), s.values, ".", color=COLOURS[0], alpha=0.5)
    if best_lead is not None:
        best = (by[best_lead.best], spread(sweep.of(best_lead.best), "psnr").mean)
        axes.plot(*best, "o", markersize=13, markerfacecolor="none", markeredgecolor=COLOURS[1])
        if best_lead.differs:
            axes.annotate("*", best, xytext=(9, 3), textcoords="offset points", fontsize=14, color=COLOURS[1])
    axes.set_xlabel(key)
    axes.set_ylabel("PSNR in dB")
    axes.set_xticks(x)
    return finish()


def over_grid(sweep: Sweep, by: dict[str, dict[str, float]], best_lead: Lead | None) -> str | None:
    """A heat map of PSNR over the two numbers that the sweep varies; the best cell is bold."""
    (first, rows_of), (second, columns_of) = by.items()
    rows, columns = sorted(set(rows_of.values())), sorted(set(columns_of.values()))
    values, sds = np.full((2, len(rows), len(columns)), np.nan)
    place = {variant: (rows.index(rows_of[variant]), columns.index(columns_of[variant])) for variant in rows_of}
    for variant, cell in place.items():
        if sweep.of(variant):
            found = spread(sweep.of(variant), "psnr")
            values[cell], sds[cell] = found.mean, found.sd
    if not np.isfinite(values).any():
        return None
    best = {place[best_lead.best]: best_lead.differs} if best_lead is not None else {}
    names = ([f"{v:g}" for v in rows], [f"{v:g}" for v in columns])
    return heat_map(*names, values, sds, (first, second), best)


def blur_gains(sweep: Sweep) -> str:
    """Trained as against tested on: PSNR gained over the blurred image; the best of every column is bold."""
    variants, blurs, means, sds = matrix(sweep, gain=True)
    best = {(variants.index(one.best), blurs.index(blur)): one.differs for blur, one in leads(sweep).items()}
    return heat_map(variants, blurs, means, sds, ("trained as", "tested on"), best)


def _canvas(width: float, height: float):
    """Axes of that size in inches, and a function that returns what was drawn as a data URI."""
    figure, [axes] = new_figure(1, width, height)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return axes, partial(svg_uri, figure)
