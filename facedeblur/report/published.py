"""The figures the paper printed (tables 4-8), to be compared with ours. Their source: published/SOURCE.md."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

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
VARIANTS = set(ALIASES.values()) - {"blurred", "oracle"}  # what is trained
# the compared methods, by the names that `facedeblur.baselines.names` knows
COMPARED = {
    "Krishnan et al (2011)": "krishnan11",
    "Babacan et al (2012)": "babacan12",
    "Zhang et al (2013)": "zhang13",
    "Xu et al (2013)": "xu13",
    "Pan et al (2014a)": "pan14_faces",
    "Pan et al (2014b)": "pan14_text",
    "Pan et al (2016)": "pan16",
    "Chakrabarti (2016)": "chakrabarti16",
    "Nah et al (2017)": "nah17",
    "Kupyn et al (2017)": "kupyn17",
}
NAMED = re.compile(r"([a-z0-9_]+)(-s\d+)?( \(.*\))?", re.DOTALL)
BLUR_ALIASES = {"synthetic": "trajectory"}


@dataclass(frozen=True)
class Published:
    """One printed row. Rates are in [0, 1]; None where nothing is printed.

    Attributes:
        method: as printed, e.g. "Nah et al (2017)" or "ours".
        ours: the name of the same thing here, or "".
        accuracy: mean of ten folds (table 8), `std` its standard deviation.
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

    @property
    def failure_percent(self) -> float | None:
        """The failure rate in percent, as it is printed."""
        return None if self.failure is None else 100 * self.failure


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


def counterpart(variant: str, blur: str, tables: Sequence[int] = (5, 6, 7, 4)) -> Published | None:
    """The printed row of what is called `variant` here, under `blur`, from the first of `tables` that has it."""
    for table in tables:
        for row in published():
            if variant and (row.table, row.blur, row.ours) == (table, blur, variant):
                return row
    return None


def named_variant(method: str) -> str:
    """The variant that a row's name claims to be, or "": "final" itself, "final-s1" (a seed), "final (folder)"."""
    name = NAMED.fullmatch(method)
    return name[1] if name and name[1] in VARIANTS else ""


def compared_method(method: str, sources: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """(the compared method that rows called `method` are of, ""), ("", why not), or ("", "") for anything else.

    The sources must say that the rows were made by that method. Networks count only with their authors' weights.
    """
    name = method.partition(" (")[0]
    if name not in COMPARED.values() or not any(source.get("kind") == "baseline" for source in sources):
        return "", ""
    if not all(str(source.get("fingerprint", "")).startswith(f"{name}-") for source in sources):
        return "", f"its rows are not all of {name}"
    if any(source.get("weights", "authors' weights") != "authors' weights" for source in sources):
        return "", "it was trained anew, not by its authors"
    return name, ""


def paper_variant(method: str, sources: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """(what of the paper a method may be compared with, ""), or ("", why its name promises too much).

    A name alone proves nothing: where the method comes from must bear it out, a run or weights of that experiment with
    the paper's network at any size. Weights are known by what they say of their run, whatever they are called.

    sources: what the protocols of the method's rows say of it, {} where one says nothing.
    """
    if method in ("blurred", "oracle"):
        return method, ""
    compared = compared_method(method, sources)
    if any(compared):
        return compared
    named = named_variant(method)
    found = [_borne_out(named, source) for source in sources]
    doubt = next((why for _, why in found if why), "")
    variants = {variant for variant, _ in found}
    if doubt or len(variants) != 1:
        return "", doubt or "its rows are of several methods"
    return variants.pop(), ""


def _borne_out(named: str, source: Mapping[str, Any]) -> tuple[str, str]:
    kind, model = source.get("kind"), source.get("model")
    weights = kind == "weights"
    experiment = (source.get("provenance") or {} if weights else source).get("experiment", "")
    variant = (experiment if experiment in VARIANTS else "") if weights else named
    if not variant:
        return "", ""
    if not source:
        return "", "the protocol does not say what it is"
    if kind not in ("run", "weights") or experiment != variant:
        return "", f"it is no run of experiment={variant}"
    if not isinstance(model, Mapping):
        return "", "the protocol does not say what its network is; evaluate again"
    if model.get("generator") != "table3":
        return "", f"its generator is {model.get('generator')}, not that of Table 3"
    if model.get("global_residual"):
        return "", "its network adds its output to the input, which the paper's does not"
    return variant, ""


def _lines(name: str) -> list[dict[str, str]]:
    text = (files("facedeblur.report") / "published" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _names(line: dict[str, str]) -> tuple[int, str, int | None, str, str]:
    images = int(line["test_images"]) if line.get("test_images") else None
    blur = BLUR_ALIASES.get(line["blur"], line["blur"])
    return int(line["table"]), blur, images, line["method"], (ALIASES | COMPARED).get(line["method"], "")


def _number(text: str) -> float | None:
    return float(text) if text else None
