"""The ready sweeps: what they vary, where their runs go, and how a user's values take the place of theirs."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from facedeblur import sweep
from facedeblur.errors import UsageError
from facedeblur.extras import EXTRAS
from facedeblur.files import write_json
from facedeblur.hydra_commands import LAUNCHER_PLUGINS, _begin_job, run_command
from facedeblur.overrides import compose_config, conf_dir

SWEEPS = {"ablations": 4, "blur_schedules": 5, "lambdas": 9, "two_step": 4}


def jobs(params: dict, arguments=()) -> list[list[str]]:
    words = [f"{key}={value}" for key, value in params.items()]
    (batch,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides([*words, *arguments]), None)
    return [list(job) for job in batch]


def test_there_are_no_others():
    assert {path.stem for path in (conf_dir() / "sweep").glob("*.yaml")} == {*SWEEPS, "base"}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_variant_and_seed_has_a_folder_of_its_own(name):
    params = dict(compose_config([f"sweep={name}"]).hydra.sweeper.params)
    assert params["seed"] == "0,1,2"
    folders, references = set(), set()
    for words in jobs(params | {"seed": "3"}):
        cfg = compose_config([f"sweep={name}", *words])
        assert cfg.hydra.sweep.dir == f"outputs/{name}" and "gpu_pool" in cfg.hydra.launcher._target_
        folders.add(Path(cfg.hydra.sweep.subdir))
        references.add(cfg.sweep.reference)
    assert len(folders) == SWEEPS[name]
    assert {folder.name for folder in folders} == {"s3"}
    (reference,) = references
    assert reference in {folder.parent.name for folder in folders}


def test_a_users_values_replace_the_sweeps_own():
    params = dict(compose_config(["sweep=lambdas"]).hydra.sweeper.params)
    chosen = jobs(params, ["loss.projection=0,8", "seed=3", "trainer=smoke"])
    assert len(chosen) == 2 * 3 and ["loss.projection=0", "loss.reconstruction=25", "seed=3", "trainer=smoke"] in chosen


def test_the_matrix_is_tested_on_all_seven_blurs(compose):
    assert len(compose("sweep=blur_schedules")["blur"]["val_schedules"]) == 7
    assert compose("sweep=blur_schedules")["hourglass"]["blur"]["val_schedules"] == ["camera_shake"]


def test_help_lists_the_sweeps_and_a_wrong_name_is_refused(capsys):
    assert sweep.main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in SWEEPS) and "Table 4" in shown
    with pytest.raises(UsageError, match="ablatoins.*ablations"):
        sweep.main(["ablatoins"])


@pytest.fixture
def begin(tmp_path):
    """`begin(*overrides)` -> what a job of another launcher than gpu_pool does."""
    return lambda *overrides: _begin_job(tmp_path, list(overrides))


def test_jobs_of_other_launchers_are_skipped_and_resumed_too(begin, tmp_path, capsys):
    assert begin("seed=0", "output=here") == "start"
    write_json(tmp_path / "status.json", {"state": "interrupted"})
    assert begin("seed=0", "output=there") == "resume"
    with pytest.raises(UsageError, match=r"\(-seed=0 \+seed=1\)"):
        begin("seed=1")
    write_json(tmp_path / "status.json", {"state": "done"})
    assert begin("seed=0") == "skip" and "skipped" in capsys.readouterr().err
    alive = {"state": "running", "pid": 1, "host": "elsewhere", "heartbeat": time.time() + 600}
    write_json(tmp_path / "status.json", alive)
    with pytest.raises(UsageError, match="still training"):
        begin("seed=0")


@pytest.mark.parametrize(("launcher", "plugin"), (("slurm", "hydra_submitit_launcher"), ("ray", "hydra_ray_launcher")))
def test_a_missing_launcher_is_named_with_its_extra(monkeypatch, launcher, plugin):
    if importlib.util.find_spec(f"hydra_plugins.{plugin}"):
        pytest.skip(f"{plugin} is installed here")
    with pytest.raises(UsageError, match=rf"\[{launcher}\]"):
        run_command("train", "train", ["-m", f"hydra/launcher={launcher}", "seed=0,1"])


@pytest.mark.parametrize("launcher", ("slurm", "slurm_local", "ray"))
def test_launchers_of_clusters_compose(launcher):
    plugin = LAUNCHER_PLUGINS[launcher]
    pytest.importorskip(plugin, reason=f"needs the extra {EXTRAS[plugin]}")
    cfg = compose_config(["sweep=ablations", f"hydra/launcher={launcher}"])
    assert "Launcher" in cfg.hydra.launcher._target_ and "gpu_pool" not in cfg.hydra.launcher._target_
