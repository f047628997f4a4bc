"""docs/architecture.md and docs/paper-to-code.md name what is there: files, names in them, layers of imports."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOP = ("facedeblur", "conf", "tests", "experiments", "benchmarks", "hydra_plugins")
CODE = re.compile(r"`([^`\n]+)`")
PLACE = re.compile(r"([\w.-]+(?:/[\w.*-]*)+)(?:: ([\w, ]+))?")


def places(page: str) -> list[tuple[str, list[str]]]:
    """(path from the root, names that it is said to hold) of everything in backticks that looks like a path."""
    text = re.sub(r"^```.*?^```", "", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    found = [PLACE.fullmatch(code) for code in CODE.findall(text)]
    return [(each[1], re.findall(r"\w+", each[2] or "")) for each in found if each and each[1] != "rows/*.parquet"]


@pytest.mark.parametrize("page", ["architecture.md", "paper-to-code.md"])
def test_every_path_and_name_is_there(page):
    named = places(page)
    assert len(named) > 20
    for path, names in named:
        assert path.split("/")[0] in TOP, f"{page}: {path} does not begin at the root of the repository"
        files = list(ROOT.glob(path.rstrip("/")))
        assert files, f"{page}: {path} is not there"
        for name in names:
            defined = rf"^(?:(?:class|def) {name}\b|{name}\b[^=\n]*=)"
            assert re.search(defined, files[0].read_text(), re.MULTILINE), f"{page}: {path} has no {name}"


def test_the_picture_of_the_floors_is_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    picture = re.search(r"^```\n(.*?)^```", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    drawn = [re.split(r" {2,}", line)[0] for line in picture.splitlines()]
    assert drawn == [re.sub(r"(?<!\S)facedeblur\.", "", layer) for layer in layers]
