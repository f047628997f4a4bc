"""The figures the paper printed (tables 4-8), to be compared with ours. Their source: published/SOURCE.md."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SOURCE = "Chrysos, Favaro, Zafeiriou, Motion deblurring of faces (IJCV 2019; figures of arXiv v1)"
# the paper's names -> ours, where a method of ours claims to be the same thing
ALIASES = {
    "ours": "final",
    "final": "final",
    "no-identity": "no_identity",
    "identity-noHG": "identity_nohg",
    "identity-noHG-only2mf2": "identity_nohg_only2mf2",
    "blurred": "blurred",
    "oracle": "oracle",
    "gt": "oracle",
}
BLUR_ALIASES = {"synthetic": "trajectory"}


@dataclass(frozen=True)
class Published:
    """One printed row. Rates are in [0, 1]; None where nothing is printed.

    method      as printed, e.g. "Nah et al (2017)" or "ours"
    ours        the name of the same thing here, or ""
    accuracy    mean of ten folds (table 8), `std` its standard deviation
    """

    table: int
    blur: str
    images: int | None
    method: str
    ours: str
    auc: float | None = None
    failure: float | None = None
    ssim: float | None = None
    accuracy: float | None = None
    std: float | None = None


@cache
def published() -> tuple[Published, ...]:
    """Every printed row, in the order of the tables' files."""
    rows = []
    for line in _lines("landmarks.csv"):
        rate = _number(line["failure_rate_percent"])
        rows.append(
            Published(
                *_names(line),
                auc=_number(line["auc"]),
                failure=None if rate is None else rate / 100,
                ssim=_number(line["ssim"]),
            )
        )
    for line in _lines("verification.csv"):
        rows.append(Published(*_names(line), accuracy=_number(line["mean_accuracy"]), std=_number(line["std"])))
    return tuple(rows)


def printed(tables: Sequence[int], blur: str) -> tuple[Published, ...]:
    """The rows of one blur in the given tables of the paper."""
    return tuple(row for row in published() if row.table in tables and row.blur == blur)


def counterpart(method: str, blur: str, tables: Sequence[int] = (5, 6, 7, 4)) -> Published | None:
    """The printed row of our `method` under `blur`, from the first of `tables` that has it.

    A run's seed is not part of its name: `final-s0` is compared as `final`.
    """
    name = base_name(method)
    for table in tables:
        for row in published():
            if (row.table, row.blur, row.ours) == (table, blur, name):
                return row
    return None


def base_name(method: str) -> str:
    """The variant a method's name stands for: "final-s1" -> "final"; scale and version of shipped weights dropped."""
    names = sorted(set(ALIASES.values()), key=len, reverse=True)
    return next((name for name in names if method == name or method.startswith((f"{name}-", f"{name} ("))), method)


def _lines(name: str) -> list[dict[str, str]]:
    text = (files("facedeblur.report") / "published" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _names(line: dict[str, str]) -> tuple[int, str, int | None, str, str]:
    images = int(line["test_images"]) if line.get("test_images") else None
    blur = BLUR_ALIASES.get(line["blur"], line["blur"])
    return int(line["table"]), blur, images, line["method"], ALIASES.get(line["method"], "")


def _number(text: str) -> float | None:
    return float(text) if text else None
