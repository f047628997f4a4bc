"""The page of `facedeblur prepare`: what the videos of a corpus give, made from the tables it wrote to disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from facedeblur.files import write_atomic
from facedeblur.report.histogram import histogram
from facedeblur.report.html import (
    Content,
    Html,
    columns,
    element,
    figure,
    image,
    page,
    paragraph,
    section,
    subheading,
    table,
    tiles,
)
from facedeblur.report.images import data_uri
from facedeblur.report.table import Cell, Column, Table, label, number

TABLES = ("clips", "identities", "schedules", "lengths", "blur", "faces", "stops", "rejects", "skipped")

MEANS = ("length", "psnr", "ssim", "face")
TITLES = {"length": "mean L", "psnr": "PSNR", "ssim": "SSIM", "face": "face, px"}
DIGITS = {"length": 1, "psnr": 2, "ssim": 4, "fps": 2}  # of a column; whole numbers else

Row = dict
Found = dict[str, list[Row]]


def write_preparation_page(folder: Path, title: str, footer: str = "") -> Path:
    """Writes `<folder>/index.html` from `<folder>/tables/*.parquet` and `<folder>/samples/<set>/`; returns its path."""
    found: Found = {name: pq.read_table(folder / "tables" / f"{name}.parquet").to_pylist() for name in TABLES}
    sets = list(dict.fromkeys(row["set"] for row in found["clips"]))
    parts = [_set(key, _of(found, key), folder / "samples" / folder_name(key)) for key in sets]
    path = folder / "index.html"
    write_atomic(path, page(title, *parts, subtitle=_subtitle(found["clips"]), footer=footer or None))
    return path


def folder_name(key: str) -> str:
    """The folder of a set's samples: "adversarial stage, train" -> "adversarial-stage-train"."""
    return "-".join("".join(c if c.isalnum() else " " for c in key).split())


def _of(found: Found, key: str) -> Found:
    return {name: [row for row in rows if row["set"] == key] for name, rows in found.items()}


def _subtitle(clips: list[Row]) -> str:
    unique = {row["path"]: row for row in clips}
    people = {(row["corpus"], row["identity"]) for row in unique.values()}
    frames = sum(row["frames"] for row in unique.values())
    return f"{len(unique):,} files, {len(people):,} identities, {frames:,} frames"


def _set(key: str, found: Found, samples: Path) -> Html:
    return section(
        key,
        _figures(found),
        subheading("Windows"),
        table(_schedules(found["schedules"])),
        _histograms(found),
        columns(table(_stops(found["stops"])), table(_rejects(found["rejects"]))),
        subheading("Sample pairs"),
        _contact_sheet(samples),
        subheading("Identities"),
        table(_identities(found["identities"]), filterable=True),
        subheading("Files"),
        _skipped(found["skipped"]),
        table(_clips(found["clips"]), filterable=True),
    )


def _figures(found: Found) -> Html:
    clips, windows = found["clips"], sum(row["windows"] for row in found["schedules"])
    used = sum(not row["reason"] for row in clips)
    frames, faces, blurred = (sum(row[name] for row in clips) for name in ("frames", "faces", "blurred"))
    return tiles(
        [
            ("files used", f"{used:,} of {len(clips):,}", f"{len(found['skipped']):,} skipped, listed below"),
            (
                "frames",
                f"{frames:,}",
                f"{_share(faces, frames)} usable, {_share(blurred, frames)} too blurred",
            ),
            ("windows", f"{windows:,}", f"{len(found['identities']):,} identities"),
            ("mean L", *_mean(found["schedules"], "length", 1, "frames of the averaged windows")),
            ("mean SSIM", *_mean(found["schedules"], "ssim", 3, "blurred against sharp, 256 px luminance")),
        ]
    )


def _mean(rows: list[Row], name: str, digits: int, note: str) -> tuple[str, str]:
    averaged = [row for row in rows if row["length"] > 1] or rows
    total = sum(row["windows"] for row in averaged)
    return f"{sum(row[name] * row['windows'] for row in averaged) / max(total, 1):.{digits}f}", note


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _schedules(rows: list[Row]) -> Table:
    named = [{**row, "pass": "reverse" if row["reverse"] else "forward"} for row in rows]
    return _table(
        named,
        ("corpus", "schedule", "pass"),
        ("windows", "clips", *MEANS),
        notes=("clips: those with at least one such window; PSNR in dB and SSIM are those of the emitted blur",),
    )


def _identities(rows: list[Row]) -> Table:
    return _table(rows, ("corpus", "identity"), ("clips", "windows", *MEANS))


def _stops(rows: list[Row]) -> Table:
    totals: Counter[str] = Counter()
    for row in rows:
        totals[row["schedule"]] += row["windows"]
    return Table(
        (*_texts("schedule", "window ended by"), Column("windows"), Column("share")),
        tuple(
            (
                label(row["schedule"]),
                label(row["stop"]),
                number(row["windows"], 0),
                Cell(_share(row["windows"], totals[row["schedule"]]), row["windows"] / totals[row["schedule"]]),
            )
            for row in rows
        ),
        caption="What ended each window",
    )


def _rejects(rows: list[Row]) -> Table:
    return _table(rows, ("schedule", "reason"), ("candidates",), caption="Candidates that were dropped")


def _clips(rows: list[Row]) -> Table:
    named = [
        {
            **row,
            "file": row["path"],
            "reader": row["backend"],
            "size": f"{row['width']}x{row['height']}",
            "skipped because": row["reason"],
        }
        for row in rows
    ]
    return _table(
        named,
        ("file", "identity", "reader", "size"),
        ("frames", "fps", "shots", "people", "faces", "blurred", "windows"),
        ("skipped because",),
        notes=(
            "faces: frames with a face that is used; blurred: frames whose face is too blurred to be ground truth; "
            "the frames of an album are its photos",
        ),
    )


def _table(
    rows: list[Row], texts: Sequence[str], numbers: Sequence[str], last: Sequence[str] = (), **options: Any
) -> Table:
    """A table of the columns of these names: texts, numbers, and texts again."""
    columns = (*_texts(*texts), *(Column(TITLES.get(name, name)) for name in numbers), *_texts(*last))
    lines = (
        (
            *(label(row[name]) for name in texts),
            *(number(row[name], DIGITS.get(name, 0)) for name in numbers),
            *(label(row[name]) for name in last),
        )
        for row in rows
    )
    return Table(columns, tuple(lines), **options)


def _skipped(rows: list[Row]) -> Html:
    counts = Counter(row["reason"].split(":")[0] for row in rows)
    if not counts:
        return paragraph("Every file gives windows.")
    return table(
        Table(
            (*_texts("reason"), Column("files")),
            tuple((label(reason), number(n, 0)) for reason, n in counts.most_common()),
            caption="Skipped files",
        )
    )


def _texts(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, numeric=False) for title in titles)


def _contact_sheet(folder: Path) -> Html:
    if not (folder / "pairs.json").is_file():
        return paragraph("None were asked for.")
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    pictures = []
    for pair in pairs:
        what = f"{pair['identity']}, {pair['schedule']}, L {pair['length']}, {pair['psnr']} dB, SSIM {pair['ssim']}"
        picture = image(data_uri(folder / pair["file"]), f"blurry and sharp: {what}", title=f"{what}, {pair['stop']}")
        pictures.append(figure(picture, what))
    lead = paragraph("Blurry left, sharp right, from the strongest blur to the weakest.", "caption")
    return element("div", lead, columns(*pictures, narrow=True))


def _histograms(found: Found) -> Html:
    plots: list[Content] = []
    for schedule in dict.fromkeys(row["schedule"] for row in found["lengths"]):
        lengths = [(row["length"], row["windows"]) for row in found["lengths"] if row["schedule"] == schedule]
        if lengths != [(1, lengths[0][1])]:  # kernels blur single frames
            plots.append(figure(histogram(lengths, 2, "L, frames"), f"{schedule}: windows by length"))
        blur = [(row["ssim"], row["windows"]) for row in found["blur"] if row["schedule"] == schedule]
        plots.append(figure(histogram(blur, 0.02, "SSIM"), f"{schedule}: windows by SSIM of the emitted blur"))
    faces = [(row["face"], row["windows"]) for row in found["faces"]]
    plots.append(figure(histogram(faces, 32, "face, pixels"), "windows by size of the face"))
    return columns(*plots)
