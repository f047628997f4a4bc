"""`make` in front of the command: what it runs, what it says, with a stand-in for the environment it would set up."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOLD = '#!/bin/sh\necho "make=$FACEDEBLUR_MAKE"\nfor word in "$@"; do echo "[$word]"; done\n'
PYTHON = """#!/bin/sh
case "$2" in
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$(dirname "$0")/facedeblur" "$3/bin/" ;;
  pip) echo "pip installs" ;;
esac
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make")


@pytest.fixture
def stand_in(tmp_path, make_environment):
    for name, text in (("facedeblur", TOLD), ("python", PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def make(*words, status=0):
        command = ["make", "--no-print-directory", "-C", str(ROOT), *words]
        given = [f"VENV={tmp_path / 'venv'}", f"PYTHON={tmp_path / 'python'}"]
        done = subprocess.run([*command, *given], capture_output=True, text=True, env=make_environment, timeout=60)
        assert done.returncode == status, done.stderr
        ours = ("[", "make=", "make deblur", "facedeblur: ", "pip")  # not the commands that make echoes
        return [line for line in done.stdout.splitlines() if line.startswith(ours)]

    return make


def test_deblur_sets_up_once_says_so_and_passes_names_on_as_they_are(stand_in):
    name = "the bride's photo & more.jpg"
    lines = stand_in("deblur", f"IN={name}", "ARGS=--force")
    steps = [line[:15] for line in lines if line.startswith("facedeblur: ")]
    assert steps == ["facedeblur: 1/3", "facedeblur: 2/3", "facedeblur: 3/3"] and "pip installs" in lines
    ran = ["make=1", "[deblur]", f"[{name}]", "[-o]", "[outputs/deblurred/]", "[--force]"]
    assert lines[-6:] == ran
    assert stand_in("deblur", f"IN={name}", "ARGS=--force") == ran, "it is set up already"


def test_deblur_without_an_input_says_how(stand_in):
    lines = stand_in("deblur", status=2)
    assert lines[-1].startswith("make deblur IN=photo.jpg")


def test_folders_of_training_are_passed_on_as_they_are(stand_in):
    lines = stand_in("train", "EXP=final", "CLIPS=/my mum's videos", "RESUME=auto")
    assert lines[-4:] == ["[train]", "[experiment=final]", "[data.root=/my mum's videos]", "[resume=auto]"]
