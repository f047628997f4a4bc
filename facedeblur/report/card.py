"""The card of shipped weights: what they are and how well they do, from only their metadata and measured rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facedeblur.errors import UsageError
from facedeblur.metrics.bootstrap import Interval
from facedeblur.models.registry import locate, read_metadata
from facedeblur.report.rows import BLURRED, ORACLE, Rows
from facedeblur.report.score_tables import interval_text
from facedeblur.report.summary import (
    MEASURES,
    blur_title,
    common_images,
    gap_closed,
    ordered_blurs,
    paired,
    per_image,
    summarise,
)
from facedeblur.report.table import Column, Table, label
from facedeblur.report.table_formats import markdown

TEMPLATE = Path(__file__).with_name("card.md")
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM", "auc": "AUC", "failure": "failures, %", "cosine": "identity"}
DIGITS = {"psnr": 2, "ssim": 4, "auc": 4, "failure": 2, "cosine": 4}
SCALE = {"failure": 100.0}
LOWER_IS_BETTER = ("failure",)
NEEDED = (BLURRED, ORACLE)
FRONT_DOOR = " (front door)"  # what an evaluation adds to the name of a method that was given whole frames
FRONT_DOOR_TEXT = """\
Through the front door: the whole frame was blurred, `facedeblur.load()(frame)` found the face in it and put it
back, and the truth's box was cut out of the result. The crops above are centred on the sharp frame's face, which
tells a network where in the smear that face lies; here nobody tells it. A face that is not found counts as
unchanged."""
_VERB = {"train": "train", "val": "choose the checkpoint"}  # what the videos of a split are for
WIDTHS = {"light": "light_width", "naf": "naf_width"}  # the setting that says how wide a generator is


def model_card(weights: str, rows: Rows, notes: str, method: str | None = None) -> str:
    """The card's Markdown.

    Args:
        weights: a name or a file.
        rows: of an evaluation of these weights on people they never saw, with those of blurred and oracle.
        notes: Markdown on the footage and its terms, which no measurement knows.
        method: what the rows call the weights; None: the only method beside blurred and oracle.

    Raises:
        UsageError: the rows, the method or the notes are missing.
    """
    located = locate(weights)
    metadata = read_metadata(located.file)
    method = method or _only_method(rows)
    if not notes.strip():
        raise UsageError("notes: empty; say on which footage the weights were trained and on what terms")
    for name in (method, *NEEDED):
        if name not in rows.distinct("method"):
            raise UsageError(f"rows: none of {name}; there are {', '.join(rows.distinct('method'))}")
    if len(set(rows.groups().tolist())) < 2:
        raise UsageError("rows: of fewer than two people; no interval can be given")
    kind = rows.group_kind()
    localizer = next((s.protocol.get("judges", {}).get("localizer") for s in rows.sources), None) or "the judge"
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=located.name,
        notes=notes.strip(),
        people=f"{len(set(rows.groups().tolist()))} {kind}",
        group_kind=kind,
        localizer=localizer,
        table=_table(rows, method),
        front_door=_front_door(rows, method),
        harm=_harm(rows, method),
        **_described(metadata["model"], metadata["provenance"]),
    )


def _only_method(rows: Rows) -> str:
    own = [name for name in rows.distinct("method") if name not in NEEDED and not name.endswith(FRONT_DOOR)]
    if len(own) != 1:
        raise UsageError(f"rows: of {', '.join(own) or 'no method'}; name the one these weights are with --method")
    return own[0]


def _described(model: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """The template's words about the network and its training; what a file does not tell is "unknown"."""
    data, blur = run.get("data", {}), run.get("blur", {})
    versions, seen = run.get("versions", {}), [s for s in ("train", "val") if s in data]
    stacks = model["hourglass_stacks"] if model["two_step"] else 0
    first = f"an hourglass of {stacks} stack{'s' * (stacks != 1)}, then " if stacks else ""
    if half_size := model.get("half_size"):
        first = f"a network for {half_size['image_size']} pixels (`{half_size['generator']}`), then "
    base = "what that made of it" if model.get("residual_on") == "first_step" else "the input"
    residual = f", its output added to {base}" if model["global_residual"] else ""
    generator = model.get("generator", "table3")
    return {
        "architecture": f"{first}a generator (`{generator}`{residual})",
        "parameters": f"Base width {model[WIDTHS.get(generator, 'base_width')]}",
        "image_size": model["image_size"],
        "experiment": run.get("experiment", "unknown"),
        "scale": run.get("scale", "unknown"),
        "seed": run.get("seed", "unknown"),
        "generator_steps": f"{run['generator_steps']:,}" if "generator_steps" in run else "unknown",
        "images": f"{run['images']:,}" if "images" in run else "unknown",
        "initialised": _initialised(run),
        "checkpoint": run.get("checkpoint", "unknown"),
        "facedeblur": versions.get("facedeblur", "of unknown version"),
        "git_commit": str(versions.get("git_commit", "unknown"))[:12],
        "data_name": data.get("name", "unknown"),
        "videos": ", ".join(f"{data[s]['videos']} videos to {_VERB[s]}" for s in seen) or "unknown",
        "train_blur": ", ".join(f"{blur_title(k)} ({v:g})" for k, v in blur.get("train", {}).items()) or "unknown",
        "strength": f"{blur['strength']:g}" if "strength" in blur else "unknown",
        "losses": _losses(run.get("loss", {})) or "unknown",
    }


def _initialised(run: Mapping[str, Any]) -> str:
    """Where the networks began, and with what they were averaged in the end."""
    begun = f", starting from {run['initialised_from']}" if run.get("initialised_from") else ""
    if with_ := run.get("averaged_with"):
        begun += f", and averaged in the end with {with_['weights']} (its share: {with_['share']:g})"
    return begun


def _losses(loss: Mapping[str, Any]) -> str:
    """The terms that counted, with their weights, and by what the first of Eq. 3 was measured."""
    words = [
        f"{name.replace('_', ' ')} {weight:g}"
        for name, weight in loss.items()
        if isinstance(weight, (int, float)) and weight
    ]
    words += [f"{name} {term.get('weight', 1.0):g}" for name, term in (loss.get("terms") or {}).items()]
    content = loss.get("content", "l1")
    return ", ".join(words) + (f"; content image by {content.replace('_', ' ')}" if content != "l1" else "")


def _table(rows: Rows, method: str) -> str:
    lines = []
    for blur in ordered_blurs(rows):
        mine, _ = common_images(rows, blur, method, BLURRED)
        if not len(mine):
            continue
        before, after = summarise(rows, BLURRED, blur), summarise(rows, method, blur)
        cells = []
        for name in TITLES:
            scale, digits = SCALE.get(name, 1.0), DIGITS[name]
            difference = paired(rows, method, BLURRED, blur, name)
            cells.append(
                f"{scale * getattr(before, name):.{digits}f} → {scale * getattr(after, name):.{digits}f} "
                f"({_signed(difference, digits, scale)})"
            )
        gap = gap_closed(rows, method, blur)
        share = f"{100 * gap.value:.0f} ({interval_text(gap, 0, 100)})" if np.isfinite(gap.value) else "no gap"
        lines.append(tuple(map(label, (blur_title(blur), str(len(mine)), *cells, share))))
    titles = ("blur", "images", *TITLES.values(), "gap closed, %")
    return markdown(Table(tuple(Column(title, numeric=False) for title in titles), tuple(lines))).rstrip("\n")


def _front_door(rows: Rows, method: str) -> str:
    """The same table of whole frames that `load()(frame)` deblurred, where the evaluation made its rows; else empty."""
    if method + FRONT_DOOR not in rows.distinct("method"):
        return ""
    return f"{FRONT_DOOR_TEXT}\n\n{_table(rows, method + FRONT_DOOR)}\n\n"


def _harm(rows: Rows, method: str) -> str:
    """For each blur the scores whose whole interval is on the wrong side of zero, and how many lose AUC."""
    lines = []
    for blur in ordered_blurs(rows):
        worse = []
        for name in MEASURES:
            found = paired(rows, method, BLURRED, blur, name)
            if found.low > 0 if name in LOWER_IS_BETTER else found.high < 0:
                worse.append(TITLES[name].partition(",")[0])
        mine, theirs = common_images(rows, blur, method, BLURRED)
        change, groups = per_image(mine, "auc") - per_image(theirs, "auc"), mine.groups()
        known = ~np.isnan(change)
        means = [change[known & (groups == group)].mean() for group in sorted(set(groups[known].tolist()))]
        losers = sum(value < 0 for value in means)
        most = f", by {-min(means):.4f} at most" if losers else ""
        sentence = f"worse than the blurred image in {', '.join(worse)}" if worse else "in no score clearly worse"
        lines.append(f"- {blur_title(blur)}: {sentence}; AUC falls for {losers} of {len(means)}{most}.")
    return "\n".join(lines)


def _signed(found: Interval, digits: int, scale: float) -> str:
    interval = interval_text(found, digits, scale)
    return f"{scale * found.value:+.{digits}f}".replace("-", "−") + (f"; {interval}" if interval else "")
