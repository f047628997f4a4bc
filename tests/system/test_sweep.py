"""A sweep on two rehearsed devices: one job killed, one failed; the same command again completes just those two."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

WHOLE = ("final", "no_identity", "identity_nohg", "identity_nohg_only2mf2")


def start(folder, cache, *arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "facedeblur", "sweep", "ablations", "trainer=smoke", *arguments]
    environment = {**os.environ, "FACEDEBLUR_CACHE": str(cache)}
    options = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, **options)


def read(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def spans(folder: Path) -> list[tuple[str, float, float]]:
    """(mask, start, end) of every attempt, by what the jobs themselves logged."""
    found = []
    for path in folder.rglob("job.json"):
        masks = re.findall(r"CUDA_VISIBLE_DEVICES='(\d)'", (path.parent / "job.log").read_text())
        record = read(path)
        if masks and record["started"]:
            assert record["mask"] == masks[-1]
            found.append((masks[-1], record["started"], record["ended"]))
    return found


def read_back(folder: Path, inspect_wandb) -> list[dict]:
    """The job's offline wandb runs in order: wandb's summary of each, with `described` and `history` of its records."""
    found = []
    for run in sorted((folder / "wandb").glob("offline-run-*")):
        lines = [json.loads(line) for line in inspect_wandb(run).splitlines()]
        described = next(line["run"] for line in lines if line["type"] == "run")
        history = [line["history"]["item"] for line in lines if line["type"] == "history"]
        axes = [line["metric"].get("step_metric") for line in lines if line["type"] == "metric"]
        summary = json.loads(inspect_wandb(run, "--summary"))
        found.append({**summary, "described": described, "history": history, "axes": axes, "place": run})
    return found


def check_wandb(run: dict, folder: Path) -> None:
    """A finished job's run: named, grouped, with configuration, pictures, and scores over the generator step."""
    variant, seed = folder.parts[-2:]
    assert (run["name"], run["state"], run["exit_code"]) == (f"{variant}-{seed}", "finished", 0)
    assert (run["described"]["run_group"], run["described"]["job_type"]) == ("ablations", "train")
    assert run["config"]["experiment"] == variant and run["config"]["scale"] == "demo"
    assert run["config"]["sweep"] == {"name": "ablations", "variant": variant, "reference": "final"}
    assert "generator_step" in run["axes"]
    steps = [item["generator_step"] for item in run["history"] if "val/psnr" in item]
    assert steps and steps == sorted(steps) and steps[-1] == read(folder / "summary.json")["generator_steps"]
    assert (run["place"] / "files" / run["summary"]["faces"]["path"]).is_file()
    best = max(item["val/psnr"] for item in run["history"] if "val/psnr" in item)
    assert run["summary"]["val/psnr"] == {"max": best} and run["summary"]["scores"]["nrows"] > 0


@pytest.mark.parametrize(
    "variants",
    (
        ("identity_nohg", "identity_nohg_only2mf2"),
        pytest.param(
            WHOLE,
            marks=pytest.mark.skipif("FACEDEBLUR_LONG" not in os.environ, reason="minutes; set FACEDEBLUR_LONG=1"),
        ),
    ),
    ids=("two variants", "table 4"),
)
def test_one_killed_one_failed_and_the_rest_done(tmp_path, cache, variants, inspect_wandb):
    sweep = tmp_path / "outputs" / "ablations"
    killed, broken = sweep / variants[0] / "s1", sweep / variants[1] / "s0"
    broken.mkdir(parents=True)
    (broken / "previews").touch()  # where the folder of its pictures should be
    jobs = {sweep / variant / f"s{seed}" for variant in variants for seed in (0, 1)}
    command = (f"experiment={','.join(variants)}", "seed=0,1", "hydra.launcher.gpus=[0,1]", "logger=wandb")
    process = start(tmp_path, cache, *command, "trainer.checkpoint_minutes=0.01")
    deadline = time.time() + 1200
    while time.time() < deadline and process.poll() is None:
        status = read(killed / "status.json")
        if status.get("step"):
            os.kill(status["pid"], signal.SIGKILL)
            break
        time.sleep(0.05)
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 1, out
    assert f"{len(jobs) - 2} done, 2 failed" in out, out

    states = {folder: read(folder / "status.json") for folder in jobs}
    assert {folder for folder, status in states.items() if status["state"] != "done"} == {killed, broken}
    assert states[killed]["reason"] == "killed by SIGKILL"
    assert "FileExistsError" in states[broken]["traceback"]
    attempts = spans(sweep) + spans(tmp_path / "outputs" / "hourglass")
    for mask in ("0", "1"):
        own = sorted(span[1:] for span in attempts if span[0] == mask)
        assert own and all(before[1] <= after[0] for before, after in zip(own, own[1:], strict=False))
    page = sweep / "report" / "index.html"
    assert "killed by SIGKILL" in page.read_text() and "FileExistsError" in page.read_text()
    finished = {folder: read(folder / "job.json")["ended"] for folder in jobs - {killed, broken}}

    done = sweep / variants[1] / "s1"
    (whole,), (failed,) = (read_back(folder, inspect_wandb) for folder in (done, broken))
    check_wandb(whole, done)
    assert (failed["state"], failed["exit_code"], failed["name"]) == ("failed", 1, f"{variants[1]}-s0")

    (broken / "previews").unlink()
    process = start(tmp_path, cache, *command, "trainer.checkpoint_minutes=0.01")
    out, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, out
    assert f"2 done, {len(jobs) - 2} skipped" in out, out
    assert {folder: read(folder / "job.json")["ended"] for folder in finished} == finished
    assert "resumed at step" in (killed / "job.log").read_text()
    table = (sweep / "report" / "variants.md").read_text()
    assert all(variant in table for variant in variants) and "±" in table and "killed" not in page.read_text()

    other = start(tmp_path, cache, *command, "trainer.checkpoint_minutes=0.01", "loss.projection=4")
    out, _ = other.communicate(timeout=300)
    assert other.returncode == 2 and "+loss.projection=4" in out, out
