"""Whole commands on a tiny rendered corpus that all system tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .forked import Origin

TINY = [
    "scale.base_width=4",
    "scale.hourglass_features=8",
    "scale.batch=4",
    "scale.epoch_windows=24",
    "scale.val_windows=8",
    "scale.epochs=2",
    "scale.validate_every=1",
    "scale.hourglass_epochs=1",
    "data.demo.identities=3",
    "data.demo.val_identities=1",
    "data.demo.frames=40",
    "blur=pravg7",
    "blur.val_schedules=[pravg7]",
    "trainer.precision='32'",
    "trainer.threads=1",
    "trainer.grid_faces=2",
    "data.workers=0",
    "hourglass.data.workers=0",
]


@pytest.fixture
def tiny():
    """Overrides that make a run as small as can be."""
    return [word for word in TINY if not word.startswith("scale.epochs=")]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache for all: the corpus is rendered and planned once (pytest-xdist: once per process)."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def origin():
    made = Origin()
    yield made
    made.end()


@pytest.fixture
def facedeblur(tmp_path, tmp_path_factory, cache, request):
    """`facedeblur("train", "key=value", ...)` in a folder of its own; returns the finished process.

    fresh: a process of its own from the start; else one forked from where torch is imported.
    """

    def run(command, *words, status=0, tiny=True, wait=True, timeout=240, fresh=sys.platform != "linux"):
        words = [command, *(TINY if tiny else []), *words]
        environment = {**os.environ, "FACEDEBLUR_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
        if fresh:
            options = {"cwd": tmp_path, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = subprocess.Popen([sys.executable, "-m", "facedeblur", *words], text=True, **options)
        else:
            said = tmp_path_factory.mktemp("said")
            origin = request.getfixturevalue("origin")
            process = origin.start(words, tmp_path, environment, (said / "out", said / "err"))
        if not wait:
            return process
        out, err = process.communicate(timeout=timeout)
        assert process.returncode == status, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory):
    """A folder with the wheel installed, to be put on the path before everything else."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
