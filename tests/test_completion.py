"""Tab completion: what is offered for a line, and that a shell gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from facedeblur.cli import COMPOSED, FLAGGED, main
from facedeblur.completion import answers


@pytest.fixture
def offered(monkeypatch):
    def complete(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        return answers([*COMPOSED, *FLAGGED], COMPOSED)

    return complete


def test_commands(offered):
    assert offered("facedeblur tr") == ["train "]
    assert set(offered("facedeblur ")) == {f"{command} " for command in (*COMPOSED, *FLAGGED)}
    assert offered("facedeblur deblur ph") == []  # files are the shell's
    assert offered("facedeblur nonsense ") == []


def test_groups_options_and_keys(offered):
    assert "experiment=" in offered("facedeblur train exper")
    options = offered("facedeblur train blur=")  # what comes after the "=" alone
    assert {"pravg7", "vla", "trajectory"} <= set(options) and "base" not in options
    assert offered("facedeblur train experiment=final trainer.learning_r") == ["trainer.learning_rate="]
    assert "judge." in offered("facedeblur evaluate jud")


def test_a_shell_that_is_not_known_is_named(capsys):
    assert main(["--completion", "fish"]) == 2 and "must be bash or zsh" in capsys.readouterr().err
    assert main(["train", "-sc", "install=bash"]) == 0 and "complete -o" in capsys.readouterr().out


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes(tmp_path):
    program = tmp_path / "facedeblur"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m facedeblur "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(facedeblur --completion bash)"
        COMP_LINE="facedeblur sw" COMP_POINT=13; _facedeblur; echo "${COMPREPLY[@]}"
        complete -p facedeblur
    """
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={**os.environ, **path})
    assert done.stdout.splitlines()[0].strip() == "sweep", done.stderr
    assert "-F _facedeblur facedeblur" in done.stdout
