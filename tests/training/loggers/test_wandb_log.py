"""Offline wandb runs, read back with wandb's own `wandb leet inspect`."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facedeblur.training.loggers.csv_log import MetricsCsv
from facedeblur.training.loggers.wandb_log import WandbLog, identity, score_tables, wandb_mode

SWEEP = {"name": "ablations", "variant": "final", "reference": "final"}
CONFIG = {"stage": "adversarial", "experiment": "final", "name": "demo", "seed": 0, "scale": "demo", "sweep": SWEEP}
CONFIG |= {"output": "outputs", "data": {"name": "demo"}, "blur": {"name": "vla"}, "loss": {"projection": 8.0}}
ROWS = [
    {"schedule": s, "video": f"/cache/val/id0/{v}.mp4", "blurred_psnr": p, "blurred_ssim": 0.5} | extra
    for s, v, p, extra in (
        ("vla", 0, 20.0, {"deblurred_psnr": 22.0, "deblurred_ssim": 0.6}),
        ("pravg", 1, 30.0, {"deblurred_psnr": 32.0, "deblurred_ssim": 0.8}),
    )
]


def attempt(folder: Path, values, succeeded: bool) -> Path:
    """One segment of a run, as an attempt of its job writes it; returns wandb's folder of it."""
    before = set((folder / "wandb").glob("offline-run-*")) if (folder / "wandb").exists() else set()
    loggers = [MetricsCsv(folder / "metrics.csv", values[0][0] - 1), WandbLog("facedeblur", CONFIG, folder, "offline")]
    log = loggers[1]
    for step, value in values:
        for logger in loggers:
            logger.log_metrics({"val/psnr": value, "train/g_content_image": 1 / value}, step)
    log.log_faces(np.zeros((8, 8, 3), np.uint8), values[-1][0])
    log.log_scores(ROWS, ("blurred", "deblurred"), values[-1][0])
    log.finalize("success")
    log.finish(succeeded)
    (made,) = set((folder / "wandb").glob("offline-run-*")) - before
    return made


def to_sync(line: str) -> list[str]:
    """The names of the files that wandb's own command line would send for `line`."""
    from wandb.cli.cli import cli

    done = CliRunner().invoke(cli, [*shlex.split(line)[1:], "--dry-run"])
    assert done.exit_code == 0, done.output
    listed = [word for text in done.output.splitlines() for word in [text.split("/")[-1]] if word.endswith(".wandb")]
    assert f"Would sync {len(listed)} run(s)" in done.output, done.output
    return listed


def test_identity_of_jobs_stages_and_single_runs():
    def of(folder="/runs/ablations/final/s0", **changes):
        return identity(CONFIG | changes, Path(folder))

    job = of()
    assert (job["name"], job["group"], job["job_type"]) == ("final-s0", "ablations", "train")
    assert job["tags"] == ["final", "seed0", "demo", "demo", "vla"]
    assert of()["id"] == job["id"] and len(job["id"]) == 16
    others = [of(f"/runs/{place}") for place in ("ablations/final/s1", "ablations/x/s0", "x/final/s0")]
    assert len({job["id"], *(other["id"] for other in others)}) == 4
    stages = [
        of(f"/runs/hourglass/key{stacks}", stage="hourglass", model={"hourglass_stacks": stacks}) for stacks in (1, 2)
    ]
    assert [stage["name"] for stage in stages] == ["hourglass-stacks1-s0", "hourglass-stacks2-s0"]
    assert stages[1]["job_type"] == "hourglass" and stages[1]["tags"][-1] == "key2"
    single = of(sweep=None)
    assert (single["name"], single["group"]) == ("final-demo-s0", "final")


def test_auto_is_offline_without_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    assert wandb_mode("auto") == "offline" and wandb_mode("online") == "online"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password key\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb_mode("auto") == "online"


def test_tables_are_means_over_windows():
    tables = score_tables(ROWS, ("blurred", "deblurred"))
    columns, scores = tables["scores"]
    assert columns == ["method", "schedule", "windows", "psnr", "ssim"]
    assert ["deblurred", "all", 2, 27.0, pytest.approx(0.7)] in scores and ["blurred", "vla", 1, 20.0, 0.5] in scores
    assert ["deblurred", "id0/1.mp4", 1, 32.0, 0.8] in tables["videos"][1]


@pytest.mark.system
def test_the_file_of_a_resumed_offline_run_is_the_whole_run(tmp_path, monkeypatch, capsys, inspect_wandb):
    """A failed attempt, then one resumed at step 20: the printed line sends all of it, and no other file is there."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    tmp_path = tmp_path / "a run"
    tmp_path.mkdir()
    first = attempt(tmp_path, [(10, 20.0), (20, 25.0), (30, 24.0)], succeeded=False)
    time.sleep(1.0)  # wandb names a run's folder by the second
    second = attempt(tmp_path, [(21, 24.0), (40, 23.0)], succeeded=True)
    line = capsys.readouterr().err.splitlines()[-1].partition("to send this run: ")[2]
    assert shlex.split(line) == ["wandb", "sync", str(second)]
    assert to_sync(line) == [f"run-{identity(CONFIG, tmp_path)['id']}.wandb"]
    assert to_sync(f"wandb sync {shlex.quote(str(tmp_path / 'wandb'))}") == to_sync(line), (
        "the earlier part is not sent"
    )
    assert list((tmp_path / "wandb").glob("offline-run-*")) == [second]
    first = tmp_path / "wandb" / "earlier" / first.name
    job, config = identity(CONFIG, tmp_path), json.loads(json.dumps(CONFIG))
    for run, state, code, best in ((first, "failed", 1, 25.0), (second, "finished", 0, 25.0)):
        found = json.loads(inspect_wandb(run, "--summary"))
        assert (found["run_id"], found["name"]) == (job["id"], "final-s0")
        assert (found["state"], found["exit_code"]) == (state, code)
        assert found["config"] == config and found["tags"] == job["tags"]
        assert found["summary"]["val/psnr"] == {"max": best}
        assert found["summary"]["train/g_content_image"] == {"min": 1 / best}
        assert found["summary"]["scores"]["nrows"] == 6 and found["summary"]["videos"]["nrows"] == 4
        assert (run / "files" / found["summary"]["faces"]["path"]).is_file()
        lines = [json.loads(line) for line in inspect_wandb(run).splitlines()]
        (described,) = [line["run"] for line in lines if line["type"] == "run"]
        assert (described["run_group"], described["job_type"]) == ("ablations", "train")
        metrics = [line["metric"] for line in lines if line["type"] == "metric"]
        (axis,) = [metric for metric in metrics if metric.get("glob_name") == "*"]
        assert axis["step_metric"] == "generator_step"
        history = [line["history"]["item"] for line in lines if line["type"] == "history"]
        steps = [item["generator_step"] for item in history if "val/psnr" in item]
        assert steps == ([10, 20, 30] if run == first else [10, 20, 21, 40])
        assert not any(line.get("artifact", {}).get("type") == "checkpoint" for line in lines)
        staged = [line["artifact"]["manifest"] for line in lines if line["type"] == "artifact"]
        assert staged and all(str(tmp_path) in json.dumps(manifest) for manifest in staged)


def test_checkpoints_become_artifacts_only_online_and_only_best_and_last(tmp_path, monkeypatch):
    class Run:
        dir = str(tmp_path / "wandb" / "run" / "files")

        def __init__(self):
            self.calls = []

        def log_artifact(self, artifact, aliases):
            self.calls.append((artifact.type, sorted(artifact.manifest.entries), aliases))

        def finish(self, exit_code):
            self.calls.append(exit_code)

    for name in ("best", "last", "other"):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / f"{name}.ckpt").write_bytes(name.encode())
    kept = [("checkpoint", ["best.ckpt"], ["best"]), ("checkpoint", ["last.ckpt"], ["last"])]
    for mode, succeeded, calls in (("online", True, [*kept, 0]), ("online", False, [1]), ("offline", True, [0])):
        log = WandbLog("facedeblur", CONFIG, tmp_path, mode)
        log._run = run = Run()
        log.finish(succeeded)
        assert run.calls == calls
