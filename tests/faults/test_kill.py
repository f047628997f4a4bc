"""Preparation killed at any moment and started again does nothing twice, and ends like an unbroken run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .files import annotate, encode, film, landmarks

PREPARE = """
import sys
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.prepare.prepare import prepare_plan
if __name__ == "__main__":
    schedules = [named_schedule("pravg7"), named_schedule("vla"), named_schedule("trajectory")]
    tell = lambda *told: print(*told[:3], flush=True)
    prepare_plan(discover(sys.argv[1], val_fraction=0.0), schedules, sys.argv[2], jobs=2, reverse=True, progress=tell)
"""
CLIPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    (folder / "prepare.py").write_text(PREPARE)
    for number in range(CLIPS):
        count = 20 + 3 * number
        annotate(encode(folder / "clips" / str(number) / "a.mp4", film(count)), landmarks(count))
    return folder


def start(folder: Path, cache: str) -> subprocess.Popen:
    command = [sys.executable, folder / "prepare.py", folder / "clips", folder / cache]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def result(folder: Path, cache: str) -> dict[str, bytes]:
    """Every file that a finished run leaves, but for locks and what a kill left half-written."""
    files = [file for file in (folder / cache).rglob("*") if file.is_file() and file.suffix != ".lock"]
    return {str(f.relative_to(folder / cache)): f.read_bytes() for f in files if not f.name.startswith(".")}


def test_killed_five_times_it_ends_with_the_same_result(folder):
    with start(folder, "whole") as whole:
        steps = whole.stdout.read().splitlines()
    assert whole.returncode == 0 and steps[-1] == f"plan {CLIPS} {CLIPS}"
    for after in (1, 3, 2, 5, 4):  # lines that the run may print before it is killed
        with start(folder, "broken") as broken:
            for _ in range(after):
                broken.stdout.readline()
            broken.kill()
    with start(folder, "broken") as resumed:
        last = resumed.stdout.read().splitlines()
    assert resumed.returncode == 0 and len(last) < len(steps), "what was done before is done again"
    assert result(folder, "broken") == result(folder, "whole")
    with start(folder, "broken") as again:
        assert again.stdout.read() == "", "a second call has nothing to do"
