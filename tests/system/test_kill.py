"""Commands killed with -9 at random moments, and started again until they end, leave what an unbroken one leaves.

Twenty kills each with FACEDEBLUR_LONG=1. Without it one of `evaluate` and `deblur`; training, `prepare` and `sweep` are
killed once or at known moments in test_train, faults/test_kill and test_sweep.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from facedeblur.data.demo import DemoSettings, render_demo
from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.status import is_alive, read_status

from .conftest import TINY
from .test_deblur import drifting
from .test_evaluate import DEMO, JUDGE

pytestmark = pytest.mark.system

LONG = "FACEDEBLUR_LONG" in os.environ
KILLS = int(os.environ.get("FACEDEBLUR_KILLS", "20" if LONG else "1"))
long_only = pytest.mark.skipif(not LONG, reason="minutes; set FACEDEBLUR_LONG=1")


@pytest.fixture
def killing(tmp_path):
    """`killing(words, result, inputs)`: the command `words` runs once; then from the start, in a folder of the same
    name, it is killed at any time within as long as that took, and started again. Every end must leave an equal
    `result(folder)`.

    inputs: called with a folder, fills it. more: called before a kill, as the rest of what dies with the command.
    settle: called with the folder after a kill, until what the command had started has ended, too. prepared: the cache
    of the first run stays, so that the kills fall on what follows preparation.
    """

    def run(
        words: list[str],
        result: Callable[[Path], object],
        inputs: Callable[[Path], object] = bool,
        more: Callable[[Path, random.Random], object] = lambda folder, draw: None,
        settle: Callable[[Path], object] = bool,
        prepared: bool = False,
    ) -> None:
        def start(folder: Path) -> subprocess.Popen:
            environment = {**os.environ, "FACEDEBLUR_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
            log = open(folder / "log", "a")  # noqa: SIM115 - the child's
            return subprocess.Popen(
                [sys.executable, "-m", "facedeblur", *words],
                cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

        broken = tmp_path / "work"

        def renew() -> None:
            broken.mkdir(exist_ok=True)
            for path in broken.iterdir():
                if path.is_file():
                    path.unlink()
                elif path.name != "cache" or not prepared:
                    shutil.rmtree(path)
            inputs(broken)

        for _ in range(2 if prepared else 1):
            renew()
            began = time.monotonic()
            assert start(broken).wait(timeout=1800) == 0, (broken / "log").read_text()
            lasts, wanted = time.monotonic() - began, result(broken)
        renew()
        draw, killed, ends = random.Random(0), 0, 0
        while killed < KILLS:
            process = start(broken)
            try:
                code = process.wait(timeout=draw.uniform(0, lasts))
            except subprocess.TimeoutExpired:
                more(broken, draw)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=60)
                settle(broken)
                killed += 1
                continue
            assert code == 0, (broken / "log").read_text()
            assert result(broken) == wanted
            ends += 1
            renew()
        assert start(broken).wait(timeout=1800) == 0, (broken / "log").read_text()
        assert result(broken) == wanted
        print(f"{words[0]}: {killed} kills, {ends + 1} ends, {lasts:.0f} s unbroken")

    return run


def described(checkpoint: Path) -> tuple:
    """Of a checkpoint, what must be equal to the bit."""
    state = load_checkpoint(checkpoint)
    flat = {name: value.numpy().tobytes() for name, value in state["networks"].items()}
    moments = [
        value.numpy().tobytes()
        for optimizer in state["optimizers"]
        for slot in optimizer["state"].values()
        for value in slot.values()
        if isinstance(value, torch.Tensor)
    ]
    return state["generator_step"], state["position"], state["best"], flat, moments


def of_run(run: Path) -> tuple:
    assert read_status(run)["state"] == "done"
    with open(run / "metrics.csv", newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    scores = json.loads((run / "validation_rows.json").read_text())
    pictures = sorted(path.name for path in (run / "previews").iterdir() if not path.name.startswith("."))
    return described(run / "checkpoints/last.ckpt"), described(run / "checkpoints/best.ckpt"), rows, scores, pictures


@long_only
@pytest.mark.parametrize("experiment", ("identity_nohg", "final"))
def test_training_of_one_stage_and_of_both(killing, experiment):
    often = ["trainer.checkpoint_minutes=1.0e-6", "trainer.ema=0.9", "data.workers=1", "data.demo.identities=2"]

    def result(folder: Path) -> list:
        stages = [path.parent for path in (folder / "outputs/hourglass").glob("*/hourglass_key")]
        assert len(stages) == (experiment == "final")
        return [of_run(run) for run in (*stages, folder / "outputs" / experiment / "demo-s0")]

    killing(["train", *TINY, f"experiment={experiment}", "resume=auto", *often], result, prepared=True)


@long_only
def test_preparation(killing, tmp_path_factory):
    demo = DemoSettings(identities=2, val_identities=1, clips_per_identity=1, frames=40)
    clips = render_demo(tmp_path_factory.mktemp("demo"), demo)

    def inputs(folder: Path) -> None:
        shutil.copytree(clips, folder / "clips")  # with their times, by which preparation knows them

    def result(folder: Path) -> dict:
        files = {path.relative_to(folder): path for path in (folder / "cache").rglob("*") if path.is_file()}
        assert (folder / "outputs/prepare/clips/index.html").is_file()
        return {
            str(name): path.read_bytes()
            for name, path in files.items()
            if not path.name.startswith(".") and path.suffix not in (".lock", ".album")
        }

    words = [word for word in TINY if not word.startswith("data.demo")]
    killing(["prepare", "data=clips", "data.root=clips", *words], result, inputs)


@long_only
def test_sweep(killing):
    words = ["sweep", "ablations", "trainer=smoke", "experiment=identity_nohg", "seed=0,1", "hydra.launcher.gpus=[]"]
    words += [*TINY, "trainer.max_steps=8", "data.demo.identities=2"]

    def jobs(folder: Path) -> list[Path]:
        return [folder / "outputs/ablations/identity_nohg" / f"s{seed}" for seed in (0, 1)]

    def more(folder: Path, draw: random.Random) -> None:
        for job in jobs(folder):
            status = read_status(job)
            if is_alive(status) and draw.random() < 0.5:  # else it ends in order when its launcher is gone
                with suppress(ProcessLookupError):
                    os.kill(status["pid"], signal.SIGKILL)

    def settle(folder: Path) -> None:
        deadline = time.monotonic() + 120
        while any(is_alive(read_status(job)) for job in jobs(folder)):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def result(folder: Path) -> list:
        assert "identity_nohg" in (folder / "outputs/ablations/report/variants.md").read_text()
        return [of_run(job) for job in jobs(folder)]

    killing([*words, "trainer.checkpoint_minutes=1.0e-6"], result, more=more, settle=settle, prepared=True)


def test_evaluation(killing):
    judge = ["judge.localizer=judge.py:Localizer", "judge.embedder=none", "judge.box=truth"]
    words = ["evaluate", "method=same=blurred", "blur=pravg7,pravg9", "jobs=1", "shard=4", *DEMO, *judge]

    def result(folder: Path) -> list:
        evaluation = folder / "outputs/evaluation/demo"
        assert read_status(evaluation)["state"] == "done"
        images = {str(path.relative_to(evaluation)): path.read_bytes() for path in evaluation.rglob("[!.]*.png")}
        columns = ["method", "blur", "frame", "L", "psnr", "ssim", "landmark_error", "flags", "landmarks", "image"]
        rows = [pq.read_table(path, columns=columns).to_pylist() for path in sorted(evaluation.glob("rows/[!.]*"))]
        return [images, rows]

    killing(words, result, lambda folder: (folder / "judge.py").write_text(JUDGE))


def test_deblurring(killing):
    """Photos and two videos; results that exist are kept by --resume, and are whole."""

    def inputs(folder: Path) -> None:
        (folder / "in").mkdir()
        for number, picture in enumerate(drifting(4)):
            cv2.imwrite(str(folder / "in" / f"{number}.png"), picture)
        for name in ("a", "b"):
            video = cv2.VideoWriter(str(folder / "in" / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (96, 96))
            for frame in drifting(250):
                video.write(np.ascontiguousarray(frame[..., ::-1]))
            video.release()

    def result(folder: Path) -> dict:
        found = {path.name: path.read_bytes() for path in (folder / "out").glob("[!.]*")}
        assert set(found) == {"0.png", "1.png", "2.png", "3.png", "a.mp4", "b.mp4"}
        return found

    killing(["deblur", "in", "-o", "out/", "--aligned", "--weights", "blurred", "--resume"], result, inputs)
