"""Notebooks and examples run as they stand, on rendered faces; notebooks keep no output in the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(code: list[str], cwd: Path, cache: Path) -> str:
    environment = {**os.environ, "FACEDEBLUR_CACHE": str(cache), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *code]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def code_of(notebook: Path) -> str:
    """The code cells in one piece, as a program."""
    cells = json.loads(notebook.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_output(notebook):
    content = json.loads(notebook.read_text())
    assert content["nbformat"] == 4 and content["cells"][0]["cell_type"] == "markdown"
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for cell in content["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.system
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(notebook, tmp_path, cache):
    told = run(["-c", code_of(notebook)], tmp_path, cache)  # as in Jupyter, there is no file that child processes read
    expected = {"deblur_a_photo": "deblurred", "make_blur": "vla", "compare_two_variants": "with gradients"}
    assert expected[notebook.stem] in told


def test_examples_are_short():
    assert len(NOTEBOOKS) == 3 and EXAMPLES
    assert all(len(example.read_text().splitlines()) < 60 for example in EXAMPLES)


@pytest.mark.system
@pytest.mark.parametrize("name", ("deblur_photo", "blur_a_face"))
def test_examples_with_a_photo_run(name, tmp_path, cache):
    from PIL import Image
    from skimage.data import astronaut

    Image.fromarray(astronaut()).save(tmp_path / "photo.png")
    assert "out.png" in run([str(ROOT / "examples" / f"{name}.py"), "photo.png", "out.png"], tmp_path, cache)
    assert (tmp_path / "out.png").stat().st_size > 10_000
