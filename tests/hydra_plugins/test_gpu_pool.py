"""The gpu_pool launcher through Hydra: a sweep and what its jobs share, with tiny children for training runs."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from filelock import FileLock
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from facedeblur.cli import main
from facedeblur.data.settings import plans_mark
from facedeblur.errors import UsageError
from facedeblur.files import write_json
from facedeblur.overrides import as_plain, compose_config
from facedeblur.training.cache_keys import hourglass_key, stages_data
from facedeblur.training.checks import refuse_ddp
from facedeblur.training.settings import run_settings
from hydra_plugins.facedeblur_launcher._jobs import Job, child_command
from hydra_plugins.facedeblur_launcher._shared import shared_command

from .children import CHILD


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep("key=value", ..., statuses={1: 3})` runs a multirun of fake children; returns its exit status.

    What they share is faked too: a stage whose folder is in `broken` fails, the others leave `made`.
    """
    assert any(plugin.__name__ == "GpuPoolLauncher" for plugin in Plugins.instance().discover(Launcher))
    module = sys.modules["hydra_plugins.facedeblur_launcher.gpu_pool"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))  # Hydra installs its own

    def run(*overrides, statuses=(), broken=()):
        def shared(job):
            write_json(job.folder / "made", len(job.plain))
            return [sys.executable, "-c", CHILD, str(job.folder), "0", str(int(job.folder in broken))]

        def command(job, name, handed_on):
            write_json(job.folder / "command.json", child_command(job, name, handed_on))
            script = f"{CHILD.rsplit('os.kill', 1)[0]}\nif status == 0: open(folder + '/status.json', 'w').write("
            script += '\'{"state": "done"}\')\nsys.exit(status)'
            return [sys.executable, "-c", script, str(job.folder), "0", str(dict(statuses).get(job.number, 0))]

        monkeypatch.setattr(module, "child_command", command)
        monkeypatch.setattr(module, "shared_command", shared)
        try:
            return main(["train", "-m", "hydra/launcher=gpu_pool", "hydra.launcher.gpus=[]", *overrides])
        except SystemExit as error:
            return error.code

    return run


def test_a_sweep_completes_what_failed_on_the_same_command(sweep, tmp_path, capsys):
    command = ("seed=0,1", "trainer=smoke", "+hydra.job.env_set.MARK=here")
    assert sweep(*command, statuses={1: 3}) == 1
    assert "1 done, 1 failed" in capsys.readouterr().err
    folders = [tmp_path / "outputs" / "sweep" / "final" / f"demo-s{seed}" for seed in (0, 1)]
    started = [json.loads((folder / "command.json").read_text()) for folder in folders]
    assert {"seed=1", "trainer=smoke", "+hydra.job.env_set.MARK=here", f"hydra.run.dir='{folders[1]}'"} <= set(
        started[1]
    )
    assert not any(part.startswith("hydra.launcher") or part == "resume=auto" for part in started[1])
    write_json(folders[1] / "status.json", {"state": "failed"})
    (folders[0] / "command.json").unlink()
    assert sweep(*command) == 0
    assert "1 done, 1 skipped" in capsys.readouterr().err
    assert not (folders[0] / "command.json").exists()
    assert json.loads((folders[1] / "command.json").read_text())[-1] == "resume=auto"


def test_what_jobs_share_is_made_once_and_before_them(sweep, tmp_path, capsys):
    variants = "experiment=final,no_identity,identity_nohg"
    assert sweep(variants, "seed=0,1", "hydra.launcher.jobs_per_gpu=2") == 0
    folder = tmp_path / "outputs" / "sweep"
    configurations = json.loads((folder / "shared" / "shared.json").read_text())
    assert {plain["experiment"] for plain in configurations} == {"final", "no_identity", "identity_nohg"}
    stages = [path.parent for path in (tmp_path / "outputs" / "hourglass").glob("*/child.json")]
    assert len(stages) == 2  # one for each seed, shared by the two variants that are conditioned on it
    shared = [json.loads((place / "child.json").read_text())["ended"] for place in (folder / "shared", *stages)]
    runs = [json.loads(path.read_text())["started"] for path in folder.glob("*/demo-s*/child.json")]
    assert len(runs) == 6 and max(shared) <= min(runs)
    assert (
        sorted(job["folder"] for job in json.loads((folder / "sweep.json").read_text())["jobs"])[0] == "final/demo-s0"
    )
    for place in stages:
        (place / "made").unlink()
        write_json(place / "status.json", {"state": "done"})
        (place / "hourglass_key").write_text(place.name)
    write_json(folder / "final" / "demo-s0" / "status.json", {"state": "failed"})
    assert sweep(variants, "seed=0,1") == 0 and not any((place / "made").exists() for place in stages)


def test_the_commands_of_shared_work(tmp_path):
    plans = shared_command(Job(0, [], tmp_path / "shared", shared=True))
    assert plans[1:] == ["-m", "facedeblur.training.make_shared", str(tmp_path / "shared" / "shared.json")]
    stage = Job(1, [], tmp_path / "hourglass" / "key", plain={"seed": 3}, shared=True)
    assert shared_command(stage)[-2:] == ["--hourglass", str(stage.folder / "shared.json")]
    assert json.loads((stage.folder / "shared.json").read_text()) == [{"seed": 3}]


def test_planned_corpora_are_not_planned_again(sweep, tmp_path):
    settings = run_settings(as_plain(compose_config(["experiment=identity_nohg", f"output={tmp_path / 'outputs'}"])))
    for _, data, blur in stages_data(settings):
        mark = plans_mark(data, blur, settings.prepare)
        mark.parent.mkdir(parents=True)
        mark.touch()
    output = f"output={tmp_path / 'outputs'}"
    assert sweep("experiment=identity_nohg", "seed=0", output) == 0
    assert not (tmp_path / "outputs" / "sweep" / "shared").exists()
    assert sweep("experiment=identity_nohg", "seed=1", "blur=vla", "name=other", output) == 0
    assert (tmp_path / "outputs" / "sweep" / "shared" / "made").exists()


def test_a_failed_stage_stops_only_the_jobs_that_need_it(sweep, tmp_path, capsys):
    key = hourglass_key(run_settings(as_plain(compose_config(["seed=1"]))))
    broken = [tmp_path / "outputs" / "hourglass" / key]
    assert sweep("experiment=final,identity_nohg", "seed=0,1", broken=broken) == 1
    assert "3 done, 1 failed" in capsys.readouterr().err
    record = json.loads((tmp_path / "outputs" / "sweep" / "final" / "demo-s1" / "job.json").read_text())
    assert record["state"] == "failed" and key in record["reason"] and "the last words" in record["reason"]


@pytest.mark.parametrize(
    ("overrides", "names"),
    (
        (["seed=0,1", "trainer.devices=2"], "trainer.devices"),
        (["seed=0,x"], "seed"),
        (["loss.projection=0,8"], "share the run folder"),
        (["seed=0,1", "hydra.launcher.jobs_per_gpu=0"], "jobs_per_gpu"),
        (["seed=0,1", "hydra.sweeper.max_batch_size=1"], "max_batch_size"),
    ),
)
def test_a_wrong_sweep_stops_before_its_first_job(sweep, tmp_path, capsys, overrides, names):
    assert sweep(*overrides) == 2
    message = capsys.readouterr().err.strip()
    assert names in message and len(message.splitlines()) == 1
    assert not list(tmp_path.rglob("job.log"))


def test_a_second_sweep_in_the_folder_is_refused(sweep, tmp_path, capsys):
    folder = tmp_path / "outputs" / "sweep"
    folder.mkdir(parents=True)
    with FileLock(folder / ".gpu_pool.lock"):
        assert sweep("seed=0") == 2
    assert "another sweep" in capsys.readouterr().err


def test_ddp_inside_any_multirun_is_refused(compose):
    plain = compose()
    refuse_ddp(plain, visible=1)
    with pytest.raises(UsageError, match="trainer.devices"):
        refuse_ddp(plain, visible=4)
    with pytest.raises(UsageError, match=r"^hourglass.trainer.devices"):
        refuse_ddp(compose("hourglass.trainer.devices=2"), visible=1)
