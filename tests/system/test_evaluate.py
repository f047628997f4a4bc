"""`facedeblur evaluate` and `score` as commands: rows on disk, a summary, one-line errors."""

from __future__ import annotations

import json

import pytest

from facedeblur.cli import main

pytestmark = pytest.mark.system

JUDGE = """
import numpy as np
class Localizer:
    def localize(self, image, box):
        return (np.random.default_rng(0).random((68, 2)) * 50 + image.mean() / 50).astype(np.float32)
"""
DEMO = [f"data.demo.{word}" for word in ("identities=1", "val_identities=1", "clips_per_identity=1", "frames=30")]


def test_the_demo_corpus_from_the_command_line(facedeblur, tmp_path):
    (tmp_path / "judge.py").write_text(JUDGE)
    judge = ["judge.localizer=judge.py:Localizer", "judge.embedder=none", "judge.box=truth"]
    words = ["evaluate", "method=same=blurred", "blur=pravg7,pravg9", "jobs=1", *DEMO, *judge]
    done = facedeblur(*words, tiny=False)
    folder = tmp_path / "outputs/evaluation/demo"
    assert "same" in done.stdout and "oracle" in done.stdout and "outputs/evaluation/demo" in done.stdout
    assert json.loads((folder / "status.json").read_text())["state"] == "done"
    assert len(list((folder / "rows").iterdir())) == 2 * 3
    before = {file: file.stat().st_mtime_ns for file in (folder / "rows").iterdir()}
    facedeblur(*words, tiny=False)  # nothing is left to do
    assert {file: file.stat().st_mtime_ns for file in (folder / "rows").iterdir()} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "data=vw300", "data.root=nowhere"], "nowhere: no such folder; vw300 expects <id>/vid.avi"),
        (["evaluate", "method=nothing"], "method: nothing is no run folder"),
        (["score", "nowhere", "."], "holds no image"),
    ],
)
def test_errors_are_one_line(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("facedeblur: error: ") and message in error
