"""Tables of everything that was measured: all scores of every method and blur, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facedeblur.metrics.bootstrap import Interval
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.summary import Summary, blur_title, ordered_methods, paired, summarise
from facedeblur.report.table import SMALL, Cell, Column, Table, label, number

Summaries = dict[tuple[str, str], Summary]


def all_summaries(rows: Rows, blurs: Sequence[str]) -> Summaries:
    """(method, blur) -> summary, for what there are rows of; the methods in their order."""
    return {
        (method, blur): summarise(rows, method, blur)
        for method in ordered_methods(rows)
        for blur in blurs
        if len(rows.where(method=method, blur=blur))
    }


def score_table(rows: Rows, summaries: Summaries, caption: str) -> Table:
    """Everything measured, one row a blur and method."""
    columns = (
        Column("Method", numeric=False),
        Column("Blur", numeric=False),
        Column("Images", higher=False),
        Column("AUC"),
        Column("Gap closed (%)", hint="(AUC - blurred) / (oracle - blurred)"),
        Column("Failure rate (%)", higher=False),
        Column("SSIM"),
        Column("PSNR (dB)"),
        Column("Cosine", hint="mean cosine between the embeddings of the restored and the sharp face"),
        Column("ms/image", higher=False, hint="median time of the deblurring alone"),
        Column("No face", higher=False, hint="images in which the judge found no face; they count as failures"),
        *(Column(name, hint="a metric of one's own: the mean over images") for name in rows.own),
    )
    lines = []
    for (method, blur), s in summaries.items():
        reference = method in (BLURRED, ORACLE)
        lines.append(
            (
                label(method),
                label(blur_title(blur)),
                number(s.images, 0),
                scored(s.auc, s.intervals["auc"], 3),
                Cell("", None) if reference else scored(s.gap.value, s.gap, 0, 100),
                scored(s.failure, s.intervals["failure"], 2, 100),
                scored(s.ssim, s.intervals["ssim"], 4),
                scored(s.psnr, s.intervals["psnr"], 2),
                scored(s.cosine, s.intervals["cosine"], 3),
                Cell("", None) if reference else number(1000 * s.seconds, 1),
                number(s.flags.get("no_face", 0), 0),
                *(scored(s.own[name], s.intervals[name], 4) for name in rows.own),
            )
        )
    notes = [interval_note(rows)]
    if len({int(np.isfinite(rows.where(method=m, blur=b)["identity_cosine"]).sum()) for m, b in summaries}) > 1:
        notes.append(
            "Cosines are means over the faces that the embedder could read in both images, not the same for all."
        )
    return Table(columns, tuple(lines), caption, tuple(notes)).filled()


def difference_table(rows: Rows, blurs: Sequence[str], caption: str) -> Table:
    """Paired differences to the blurred input, and of the oracle to each method: the same images, drawn by group."""
    columns = (
        Column("Comparison", numeric=False),
        Column("Blur", numeric=False),
        Column("Δ AUC"),
        Column("p", higher=False, hint="two-sided sign-flip test over groups"),
        Column("Δ failure rate (points)", higher=False),
        Column("Δ SSIM"),
        Column("Δ cosine"),
        Column("Images", higher=False),
    )
    methods = [method for method in ordered_methods(rows) if method not in (BLURRED, ORACLE)]
    lines = []
    for blur in blurs:
        present = set(rows.where(blur=blur).distinct("method"))
        pairs = [(method, BLURRED) for method in methods] + [(ORACLE, method) for method in methods]
        for one, other in pairs + ([(ORACLE, BLURRED)] if not methods else []):
            if not {one, other} <= present:
                continue
            found = {name: paired(rows, one, other, blur, name) for name in ("auc", "failure", "ssim", "cosine")}
            lines.append(
                (
                    label(f"{one} − {other}"),
                    label(blur_title(blur)),
                    _difference(found["auc"], 4),
                    number(found["auc"].p, 3),
                    _difference(found["failure"], 2, 100),
                    _difference(found["ssim"], 4),
                    _difference(found["cosine"], 4),
                    number(len(rows.where(method=one, blur=blur)), 0),
                )
            )
    notes = (
        f"{SMALL}: 95 % paired bootstrap intervals over whole videos or people; where one leaves out 0, the "
        "sample supports the difference.",
        "p: sign-flip test over the same groups; with n groups it cannot fall below 2 / 2^n.",
    )
    return Table(columns, tuple(lines), caption, notes).filled()


def interval_text(interval: Interval, digits: int, scale: float = 1) -> str:
    """ "0.712 – 0.793", or nothing where there is no interval."""
    if np.isnan(interval.low):
        return ""
    return f"{scale * interval.low:.{digits}f} – {scale * interval.high:.{digits}f}".replace("-", "−")


def scored(value: float, interval: Interval, digits: int, scale: float = 1, interval_digits: int | None = None) -> Cell:
    """A cell of a value with its interval as the note."""
    text = interval_text(interval, digits if interval_digits is None else interval_digits, scale)
    return number(scale * value, digits, note="" if np.isnan(value) else text)


def _difference(found: Interval, digits: int, scale: float = 1) -> Cell:
    return number(scale * found.value, digits, note=interval_text(found, digits, scale), signed=True)


def interval_note(rows: Rows) -> str:
    """What the small figures of a table are."""
    groups = len(set(rows.groups().tolist()))
    kind = rows.group_kind()
    if groups < 2:
        return f"Fewer than two {kind}: no interval can be given."
    return f"{SMALL}: 95 % bootstrap intervals over {groups} {kind}."
