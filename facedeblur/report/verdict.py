"""What an evaluation comes to, in a few figures and sentences, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facedeblur.report import html
from facedeblur.report.rows import BLURRED, ORACLE, Rows, common_protocol
from facedeblur.report.score_tables import Summaries
from facedeblur.report.summary import blur_title, finite_mean, paired, per_image

# keys of protocol.json that decide what a score is
DECISIVE = ("corpus", "image_size", "judges", "metrics", "schedule")
# what became of images that a method did not deliver as it should
FAILURE_LABELS = {
    "nan": "had pixels that are no numbers: they count as black, the face as not found",
    "error": "were not delivered: they count as black, the face as not found",
    "size_mismatch": "had another size and were resized",
    "range": "had values far outside of [0, 1] and were cut to it: they are likely of another range",
}


def remarks(rows: Rows, summaries: Summaries) -> list[html.Html]:
    """Unfinished evaluations, protocols that differ, images that not all methods have, and what methods did wrong."""
    warnings = list(rows.remarks)
    for source in rows.sources:
        if source.state and source.state != "done":
            warnings.append(f"{source.folder} is {source.state}: these are the rows it has so far.")
        if source.lost:
            warnings.append(
                f"{source.lost} windows of {source.folder} could not be read and have no rows; "
                "evaluating again tries them."
            )
    differing = [key for key in common_protocol(rows.sources)[1] if key in DECISIVE]
    if differing:
        warnings.append(f"The evaluations joined here differ in {', '.join(differing)}; see Protocol.")
    for blur in dict.fromkeys(blur for _, blur in summaries):
        counts = {s.method: s.images for (_, b), s in summaries.items() if b == blur}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{method} {count}" for method, count in counts.items())
            warnings.append(f"{blur_title(blur)}: not all methods have all images ({listed}).")
    for flag, label in FAILURE_LABELS.items():
        hit = {s.method for s in summaries.values() if s.flags.get(flag)}
        if hit:
            warnings.append(f"Some images of {', '.join(sorted(hit))} {label}.")
    return [html.callout(remark, "warning") for remark in warnings]


def key_figures(rows: Rows, summaries: Summaries, blurs: Sequence[str], focus: str | None) -> html.Html:
    """How the method `focus` compares with its input, in sentences and in large figures over all blurs."""
    if focus is None:
        return html.callout("Only blurred and oracle were evaluated: add a method to compare.")
    mine = [summaries[focus, blur] for blur in blurs if (focus, blur) in summaries]

    def mean(method: str, measure: str) -> float:
        return finite_mean(per_image(rows.where(method=method), measure))

    def beside(measure: str, digits: int, scale: float = 1) -> str:
        references = [m for m in (BLURRED, ORACLE) if np.isfinite(mean(m, measure))]
        return ", ".join(f"{m} {scale * mean(m, measure):.{digits}f}" for m in references)

    low, high, own = (mean(method, "auc") for method in (BLURRED, ORACLE, focus))
    share = 100 * (own - low) / (high - low) if high > low else float("nan")
    facts = [
        ("AUC", own, ".3f", "", beside("auc", 3)),
        ("Gap closed, in AUC", share, ".0f", " %", "0 is the blurred input, 100 the sharp face"),
        ("Failure rate", 100 * mean(focus, "failure"), ".1f", " %", beside("failure", 1, 100)),
        ("SSIM", mean(focus, "ssim"), ".4f", "", beside("ssim", 4)),
        ("Cosine to the sharp face", mean(focus, "cosine"), ".3f", "", beside("cosine", 3)),
        (
            "Time per image",
            1000 * float(np.nanmedian([s.seconds for s in mine] or [np.nan])),
            ".0f",
            " ms",
            "deblurring alone",
        ),
    ]
    tiles = [
        (name, f"{value:{form}}{unit}".replace("-", "−"), note)
        for name, value, form, unit, note in facts
        if np.isfinite(value)
    ]
    return html.join((_verdict(rows, focus, blurs), html.tiles(tiles)))


def _verdict(rows: Rows, focus: str, blurs: Sequence[str]) -> html.Html:
    """Where the method is above its input beyond chance, where below, and where the sample leaves it open."""
    sentences = []
    for measure, name in (("auc", "Landmark AUC"), ("cosine", "Cosine to the sharp face"), ("ssim", "SSIM")):
        where: dict[str, list[str]] = {"above": [], "below": [], "not surely different from": []}
        for blur in blurs:
            if {focus, BLURRED} <= set(rows.where(blur=blur).distinct("method")):
                found = paired(rows, focus, BLURRED, blur, measure)
                if not np.isnan(found.low):
                    word = "above" if found.low > 0 else "below" if found.high < 0 else "not surely different from"
                    where[word].append(blur_title(blur))
        parts = [f"{word} the input under {_listed(names, len(blurs))}" for word, names in where.items() if names]
        if parts:
            sentences.append(f"{name}: {'; '.join(parts)}.")
    if not sentences:
        return html.paragraph(f"{focus}: too few videos or people to say whether it differs from its input.", "lead")
    return html.join(
        (
            html.paragraph(f"{focus} against its blurred input, by 95 % paired bootstrap intervals:"),
            html.bullets(sentences, "verdict"),
        )
    )


def _listed(names: Sequence[str], of: int) -> str:
    if of < 2 or of != len(names):
        return ", ".join(names)
    return "both blurs" if of == 2 else f"all {of} blurs"
