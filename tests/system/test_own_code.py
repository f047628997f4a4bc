"""A network, a loss, a corpus and a callback of one's own, with the wheel installed, in a folder of its own."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.scaffold import template

pytestmark = pytest.mark.system

MINE = """\
# @package _global_
defaults:
  - final
  - override /data: clips
hourglass:
  data: {kind: my_corpus.py:interviews, name: interviews}
data:
  kind: my_corpus.py:interviews
  name: interviews
  root: videos
model:
  plugins:
    pair: {_target_: my_pair.py:UNetPair, width: 4}
loss:
  terms:
    pyramid: {_target_: my_loss.py:pyramid, weight: 50, levels: 2}
trainer:
  callbacks:
    notes: my_callback.py:Notebook
"""
PLUGIN = "my_pair.py:UNetPair"


@pytest.fixture
def elsewhere(tmp_path, cache):
    """A fresh folder: rendered videos called <person>_<number>.mp4, four files of code, and one experiment."""
    folder = tmp_path / "elsewhere"
    (folder / "my_conf" / "experiment").mkdir(parents=True)
    (folder / "my_conf" / "experiment" / "mine.yaml").write_text(MINE)
    for kind in ("pair", "loss", "corpus", "callback"):
        (folder / f"my_{kind}.py").write_text(template(kind))
    (folder / "videos").mkdir()
    rendered = render_demo(cache / "demo", DemoSettings(identities=3, val_identities=1, frames=40), jobs=1)
    for number, clip in enumerate(sorted(Path(rendered).glob("*/*/*_00A.mp4"))):
        person = "vera" if clip.parts[-3] == "val" else f"ann{number}"
        for suffix in (".mp4", ".npz"):  # the landmarks lie beside the video
            shutil.copy(clip.with_suffix(suffix), folder / "videos" / f"{person}_1{suffix}")
    return folder


def test_own_code_from_training_to_a_photo(site, elsewhere, cache, tiny):
    environment = {**os.environ, "PYTHONPATH": str(site), "FACEDEBLUR_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    environment.pop("FACEDEBLUR_PLUGINS", None)

    def facedeblur(*words, status=0):
        command = [sys.executable, "-m", "facedeblur", *words]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        if status:
            assert len(done.stderr.strip().splitlines()) == 1
        return done

    own = ["--config-dir", "my_conf", "experiment=mine"]
    facedeblur("train", *own, *tiny, "data.workers=1", "scale.epochs=1")
    run = elsewhere / "outputs" / "mine" / "interviews-s0"
    code = json.loads((run / "plugins.json").read_text())
    assert code["model.plugins.pair"]["target"] == PLUGIN and set(code) >= {"data.kind", "loss.terms.pyramid"}
    for source in code.values():
        assert source["sha256"] == hashlib.sha256(Path(source["file"]).read_bytes()).hexdigest()
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(float(row["train/g_pyramid"] or 0) > 0 for row in rows)
    assert (run / "notes.txt").read_text().startswith("step ")

    told = facedeblur("train", "experiment=mine", "resume=auto", status=2).stderr
    assert "experiment/mine" in told
    facedeblur("train", *own, "resume=auto", "scale.epochs=2")
    assert json.loads((run / "summary.json").read_text())["generator_steps"] == 2 * int(rows[-1]["step"])

    told = facedeblur("export", str(run), "--format", "onnx", "-o", "mine.onnx", status=2).stderr
    assert f"--plugin {PLUGIN}" in told  # the checkpoint names the code, and that imports nothing
    facedeblur("export", str(run), "--format", "onnx", "-o", "mine.onnx", "--plugin", PLUGIN)

    test_set = ["data=clips", "data.kind=my_corpus.py:interviews", "data.root=videos", "split=val", "blur=pravg7"]
    judge = ["images=2", "jobs=0", "judge.embedder=none", "save=false"]
    methods = [f"method=mine={run},exported=mine.onnx", f"plugins=[{PLUGIN}]"]
    facedeblur("evaluate", *methods, *test_set, *judge, "name=test")
    assert len(list((elsewhere / "outputs" / "evaluation" / "test" / "rows").glob("*.parquet"))) == 4

    capture = cv2.VideoCapture(str(elsewhere / "videos" / "vera_1.mp4"))
    photo = capture.read()[1][:, :, ::-1]
    cv2.imwrite(str(elsewhere / "photo.png"), photo[:, :, ::-1])
    facedeblur("deblur", "photo.png", "-o", "out.png", "--weights", str(run), "--plugin", PLUGIN, "--aligned")
    restored = cv2.imread(str(elsewhere / "out.png"))[:, :, ::-1]
    assert restored.shape == photo.shape and not np.array_equal(restored, photo)
    shutil.copy(elsewhere / "my_pair.py", elsewhere / "videos")  # found again where it lies now
    facedeblur("deblur", "photo.png", "-o", "same.png", "--weights", "mine.onnx", "--aligned")
    assert np.abs(cv2.imread(str(elsewhere / "same.png"))[:, :, ::-1].astype(int) - restored).max() <= 2
