"""The answer of a sweep, first on its page: which variant wins, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facedeblur.progress import clock
from facedeblur.report import html
from facedeblur.report.html import Html
from facedeblur.report.sweep import figures
from facedeblur.report.sweep.compare import against, input_score, ranking, spread
from facedeblur.report.sweep.read import Sweep


def overview(sweep: Sweep) -> Html:
    """The answer first: which variant wins, by how much, at what cost, and whether the seeds explain it."""
    order = ranking(sweep)
    if not order:
        return html.section("Result", html.callout("No run has finished yet.", "note"))
    best = order[0]
    score = spread(sweep.of(best), "psnr")
    sd = "one seed" if np.isnan(score.sd) else f"± {score.sd:.2f} over {len(score.values)} seeds"
    tiles = [("best variant", best, f"{score.mean:.2f} dB PSNR, {sd}")]
    if len(order) > 1:
        second = order[1]
        paired = against(sweep.of(best), sweep.of(second), "psnr")
        if paired:
            d = paired.over_videos
            tiles.append((f"ahead of {second} by", f"{d.value:+.2f} dB".replace("-", "−"), _interval(d)))
            tiles.append(("is that more than chance?", *_sure(paired)))
    seconds = [run.seconds for run in sweep.of(best) if run.seconds]
    if seconds:
        others = [run.seconds for v in order[1:] for run in sweep.of(v) if run.seconds]
        note = f"per run; the others {clock(np.mean(others))}" if others else "per run"
        tiles.append(("cost of the best", clock(np.mean(seconds)), note))
    missing = [variant for variant in sweep.variants if variant not in order]
    warning = html.callout(f"Not finished yet, so not compared: {', '.join(missing)}.", "warning") if missing else None
    return html.section("Result", html.tiles(tiles), warning, _below_input(sweep, order), _dots(sweep))


def _below_input(sweep: Sweep, order: Sequence[str]) -> Html | None:
    """A warning where no variant comes up to its input: what wins then is the least harm."""
    given = input_score(sweep, "psnr")
    best = max(spread(sweep.of(variant), "psnr").mean for variant in order)
    if not best < given:
        return None
    sentence = f"Every variant is below its input, the blurred images, whose PSNR is {given:.2f} dB: "
    return html.callout(f"{sentence}these runs make them worse, and were likely trained too shortly.", "warning")


def _interval(d) -> str:
    if np.isnan(d.low):
        return "one video: no interval"
    return f"95 % interval {d.low:+.2f} … {d.high:+.2f}, {d.groups} videos".replace("-", "−")


def _sure(paired) -> tuple[str, str]:
    d = paired.over_videos
    clear = d.p < 0.05
    if paired.beyond_seeds is None:
        return ("over videos" if clear else "no", f"p = {d.p:.3g}; one seed cannot tell what seeds do")
    word = "larger" if paired.beyond_seeds else "not larger"
    answer = "yes" if clear and paired.beyond_seeds else "no"
    return answer, f"p = {d.p:.3g} over videos; {word} than the seeds' spread of {paired.seed_sd:.2f} dB"


def _dots(sweep: Sweep) -> Html | None:
    source = figures.seed_dots(sweep)
    return html.figure(html.image(source, "PSNR of every seed by variant")) if source else None
