"""`facedeblur train` from videos to a run folder: every experiment, resumption to the bit, two processes."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import time

import cv2
import numpy as np
import pytest
import torch

from facedeblur.baselines.names import load_baseline
from facedeblur.faces.dlib_models import has_dlib, landmark_box
from facedeblur.faces.judges import localizer
from facedeblur.faces.pts import read_pts, write_pts
from facedeblur.metrics.landmarks import normalised_error
from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.training.compared_settings import COMPARED

pytestmark = pytest.mark.system


def read_csv(path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def status(folder) -> dict:
    return json.loads((folder / "status.json").read_text())


def same_weights(first, second) -> bool:
    one, two = load_checkpoint(first), load_checkpoint(second)
    assert one["generator_step"] == two["generator_step"]
    return all(torch.equal(value, two["networks"][name]) for name, value in one["networks"].items())


def test_final_leaves_a_complete_run_folder_and_reuses_its_hourglass(facedeblur, tmp_path):
    done = facedeblur("train", "data.workers=auto")
    run = tmp_path / "outputs" / "final" / "demo-s0"
    assert status(run)["state"] == "done"
    assert re.search(r"final: epoch 1 validated  .*psnr", done.stderr), done.stderr
    assert re.search(r"final: step \d+/12  epoch \d  .*img/s  \d+:\d\d:\d\d < \d+:\d\d:\d\d", done.stderr)
    for name in ("config.yaml", "versions.json", "data.json", "metrics.csv", "checkpoints/last.ckpt", "preview.png"):
        assert (run / name).is_file(), name
    summary = json.loads((run / "summary.json").read_text())
    for method in ("blurred", "hourglass", "deblurred"):
        assert set(summary[method]) == {"psnr", "ssim", "by_strength"}
        assert method in done.stdout
    picture = cv2.imread(str(run / "preview.png"))
    assert picture.shape[1] == 5 * 128  # blurry | hourglass | deblurred | sharp | error
    rows = read_csv(run / "metrics.csv")
    assert rows[-1]["step"] == "12" and any(row["val/psnr"] for row in rows)

    again = facedeblur("train", "experiment=no_identity")
    assert "reusing" in again.stderr
    keys = load_checkpoint(tmp_path / "outputs/no_identity/demo-s0/checkpoints/last.ckpt")["networks"].keys()
    assert not any(key.startswith("identity.") for key in keys)

    done = facedeblur("train", "resume=auto", "trainer.learning_rate=1.0e-4")  # nothing is left to train
    assert status(run)["state"] == "done" and "step 12" in done.stderr
    other = facedeblur("train", "resume=auto", "model.norm_order=conv_bn_relu", status=2)
    assert "model" in other.stderr and len(other.stderr.strip().splitlines()) == 1

    refused = facedeblur("train", status=2)
    assert "resume=auto" in refused.stderr and len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("experiment", ("hourglass", "identity_nohg", "identity_nohg_only2mf2"))
def test_the_other_experiments_train(facedeblur, tmp_path, experiment):
    facedeblur("train", f"experiment={experiment}")
    run = tmp_path / "outputs" / experiment / "demo-s0"
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary) >= {"blurred", "hourglass" if experiment == "hourglass" else "deblurred"}
    assert not (tmp_path / "outputs" / "hourglass").exists() or experiment == "hourglass"


def test_kill_and_resume_is_bit_equal(facedeblur, tmp_path):
    """Kill -9 in mid-epoch, resume from the last checkpoint: the weights of the uninterrupted run."""
    common = ("experiment=identity_nohg", "trainer.checkpoint_minutes=1.0e-6", "trainer.ema=0.9", "data.workers=1")
    facedeblur("train", "name=straight", *common)
    process = facedeblur("train", "name=killed", *common, "trainer.log_every=1", wait=False)
    run = tmp_path / "outputs" / "identity_nohg" / "killed-s0"
    deadline = time.time() + 200
    while time.time() < deadline and process.poll() is None:
        try:
            if 2 <= status(run).get("step", 0) < 6:  # of 6 in the first epoch
                break
        except (OSError, ValueError):
            pass
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)  # ends when the last worker has let go of the pipe
    step = load_checkpoint(run / "checkpoints" / "last.ckpt")["generator_step"]
    assert 2 <= step < 12, "killed too late to prove anything"
    assert status(run)["state"] == "running"  # nobody could say otherwise
    facedeblur("train", "name=killed", "resume=auto", *common, fresh=True)  # where sets have another order
    assert status(run)["state"] == "done"
    assert same_weights(
        run / "checkpoints/last.ckpt", tmp_path / "outputs/identity_nohg/straight-s0/checkpoints/last.ckpt"
    )
    steps = [int(row["step"]) for row in read_csv(run / "metrics.csv") if row["train/g_total"]]
    assert steps == sorted(set(steps))  # no step is logged twice


def test_two_runs_that_start_in_one_second_do_not_share_a_folder(facedeblur, tmp_path):
    both = [facedeblur("train", "experiment=identity_nohg", "trainer.log_every=1", wait=False) for _ in range(2)]
    ends = sorted((process.communicate(timeout=240)[1], process.returncode) for process in both)
    assert sorted(code for _, code in ends) == [0, 2], ends
    (refused,) = (error.strip().splitlines() for error, code in ends if code)
    assert len(refused) == 1 and re.search("training here|holds a run", refused[0]), refused
    steps = [int(row["step"]) for row in read_csv(tmp_path / "outputs/identity_nohg/demo-s0/metrics.csv")
             if row["train/g_total"]]  # fmt: skip
    assert steps == list(range(1, 13))


LONGER = ("experiment=identity_nohg", "data.workers=1", "trainer.epochs=4", "trainer.validate_every=4")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of LONGER that nobody interrupts, made once; called with `facedeblur`, it returns its checkpoint."""
    kept = tmp_path_factory.mktemp("straight") / "last.ckpt"

    def checkpoint(facedeblur, folder):
        if not kept.exists():
            facedeblur("train", "name=straight", *LONGER)
            shutil.copy(folder / "outputs/identity_nohg/straight-s0/checkpoints/last.ckpt", kept)
        return kept

    return checkpoint


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_an_interruption_saves_what_was_trained_and_names_the_command_that_goes_on(
    facedeblur, straight, tmp_path, number
):
    """No checkpoint is due before the signal comes; nothing but the running step is waited for."""
    process = facedeblur("train", *LONGER, "trainer.log_every=1", wait=False)
    run = tmp_path / "outputs" / "identity_nohg" / "demo-s0"
    deadline = time.time() + 200
    while time.time() < deadline and not (run / "metrics.csv").exists():
        time.sleep(0.01)
    process.send_signal(number)
    began = time.time()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and time.time() - began < 20, err
    saved = re.search(rf"identity_nohg: {number.name}, saved at step (\d+) of 24", err)
    step = load_checkpoint(run / "checkpoints" / "last.ckpt")["generator_step"]
    assert saved and int(saved[1]) == step and 1 <= step < 24
    assert "Traceback" not in err, err
    assert (status(run)["state"], status(run)["step"]) == ("interrupted", step)
    goes_on = shlex.split(re.search(r"go on with: facedeblur (train .*)", err)[1])
    assert goes_on[-1] == "resume=auto"
    done = facedeblur(*goes_on, tiny=False)  # the words that were typed are all there
    assert f"resumed at step {step}" in done.stderr and status(run)["state"] == "done"
    assert same_weights(run / "checkpoints/last.ckpt", straight(facedeblur, tmp_path))


def test_minutes_bound_the_whole_run_and_what_they_end_is_neither_done_nor_shared(facedeblur, tmp_path):
    """The first stage alone would take a thousand epochs, longer than a command may take here."""
    long = ("hourglass.trainer.epochs=1000", "trainer.epochs=1000", "trainer.validate_every=1000")
    facedeblur("prepare")  # so that no minute goes into it
    ended = facedeblur("train", *long, "trainer.minutes=0.2", status=2)
    last = ended.stderr.strip().splitlines()[-1]
    assert last == "facedeblur: error: trainer.minutes=0.2 were over in the first stage; resume=auto goes on from there"
    (stage,) = (path for path in (tmp_path / "outputs" / "hourglass").iterdir() if path.is_dir())
    assert status(stage)["state"] == "interrupted" and not (stage / "hourglass_key").exists()
    step = load_checkpoint(stage / "checkpoints" / "last.ckpt")["generator_step"]
    assert step > 0 and status(tmp_path / "outputs/final/demo-s0")["state"] == "interrupted"

    again = facedeblur("train", *long, "trainer.minutes=0.1", "resume=auto", status=2)
    assert f"resumed at step {step}" in again.stderr, "another run of the same key trains it on"

    alone = ("experiment=identity_nohg", "trainer.epochs=1000", "trainer.validate_every=1000", "trainer.minutes=0.1")
    done = facedeblur("train", *alone)
    run = tmp_path / "outputs" / "identity_nohg" / "demo-s0"
    assert status(run)["state"] == "stopped" and "time limit, at step" in status(run)["reason"]
    assert "stopped by its time limit" in done.stderr and (run / "summary.json").exists()


def test_minutes_end_the_planning_too_and_keep_what_is_planned(facedeblur, tmp_path):
    ended = facedeblur("train", "data.cache=fresh", "trainer.minutes=0.05", status=2)
    assert "trainer.minutes=0.05 were over before its videos were planned" in ended.stderr.splitlines()[-1]
    assert list((tmp_path / "fresh").rglob("*.mp4")), "what was rendered is kept"


def test_two_processes_train_both_stages_and_resume(facedeblur, tmp_path):
    facedeblur("train", "trainer.devices=2", "data.workers=1")
    run = tmp_path / "outputs" / "final" / "demo-s0"
    assert status(run)["state"] == "done"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["generator_steps"] == 12 and summary["windows"] == 8
    rows = json.loads((run / "validation_rows.json").read_text())
    logged = [row for row in read_csv(run / "metrics.csv") if row["val/psnr"]]
    scored = next(row for row in logged if int(row["step"]) == summary["shipped_step"])
    # sums of both processes are the means of all rows, to the six digits of the file
    assert float(scored["val/psnr"]) == pytest.approx(np.mean([row["deblurred_psnr"] for row in rows]), rel=5e-6)
    first, second = load_checkpoint(run / "checkpoints" / "last.ckpt")["rng"]
    assert not torch.equal(first["torch"], second["torch"])  # every rank its own dropout masks
    facedeblur("train", "resume=auto", "trainer.devices=2", "trainer.epochs=3")
    assert json.loads((run / "summary.json").read_text())["generator_steps"] == 18


def test_a_localiser_learns_from_annotated_photos_and_judges(facedeblur, rendered_face, tmp_path):
    for split, people in (("train", (0, 1, 2)), ("val", (3,))):
        for person in people:
            image, landmarks = rendered_face(person, 160)
            folder = tmp_path / "photos" / split
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{person}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            write_pts(folder / f"{person}.pts", landmarks)
    (tmp_path / "photos" / "train" / "2.pts").write_text("torn")
    small = ["data.root=photos", "scale.localizer_features=8", "data.epoch_windows=8", "data.batch=4"]
    done = facedeblur("train", "experiment=localizer", *small, "trainer.epochs=2", "scale.localizer_epochs=2")
    assert "skipped" in done.stderr and "2.pts" in done.stderr
    run = tmp_path / "outputs" / "localizer" / "stills-s0"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["generator_steps"] == 4 and summary["samples"] == 16 and summary["photos"] == 1
    assert summary["ours"]["mean_error"] > 0 and 0 <= summary["ours"]["failure_rate"] <= 1
    assert ("dlib" in summary) == has_dlib()
    assert status(run)["state"] == "done" and cv2.imread(str(run / "preview.png")).shape[1] == 3 * 256

    image, landmarks = rendered_face(3, 160)
    found = localizer(str(run)).localize(image, landmark_box(landmarks))
    row = json.loads((run / "validation_rows.json").read_text())[0]
    assert normalised_error(found, read_pts(tmp_path / "photos/val/3.pts")) == pytest.approx(row["ours"], rel=1e-3)

    more = facedeblur("train", "experiment=localizer", "resume=auto", *small, "trainer.epochs=3")
    assert "resumed at step 4" in more.stderr and status(run)["state"] == "done"
    assert json.loads((run / "summary.json").read_text())["generator_steps"] == 6

    other = facedeblur("train", "experiment=localizer", "data=demo", status=2)
    assert (
        other.stderr.strip().splitlines()[-1].startswith("facedeblur: error: data: a localiser learns from annotated")
    )


@pytest.mark.skipif("FACEDEBLUR_LONG" not in os.environ, reason="minutes; set FACEDEBLUR_LONG=1")
@pytest.mark.parametrize("name", COMPARED)
def test_a_compared_network_trains_in_two_processes_and_becomes_a_row(facedeblur, tmp_path, name):
    small = ("compared.width=4", "compared.blocks=1", "compared.critic_steps=2", "compared.patches=2")
    two = ("trainer.devices=2", "data.workers=1", "trainer.max_steps=4")
    facedeblur("train", f"experiment={name}", *small, *two, timeout=900)
    run = tmp_path / "outputs" / name / "demo-s0"
    assert status(run)["state"] == "done" and read_csv(run / "metrics.csv")[-1]["step"] == "4"
    row, deblurrer, _ = load_baseline(str(run))
    assert row == f"{name} (retrained)"
    weights = load_checkpoint(run / "checkpoints/last.ckpt")["networks"]
    assert all(torch.equal(weights[f"generator.{key}"], value) for key, value in deblurrer.network.state_dict().items())
