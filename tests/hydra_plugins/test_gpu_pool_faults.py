"""What goes wrong around a sweep: refused before anything is written, or met while the rest goes on."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from filelock import FileLock
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from facedeblur.cli import main


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`command("sweep", "ablations", ...)` in an empty folder -> its exit status; jobs end at once, well."""
    assert any(plugin.__name__ == "GpuPoolLauncher" for plugin in Plugins.instance().discover(Launcher))
    module = sys.modules["hydra_plugins.facedeblur_launcher.gpu_pool"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))  # Hydra installs its own
    script = "import sys; open(sys.argv[1] + '/status.json', 'w').write('{\"state\": \"done\"}')"
    monkeypatch.setattr(module, "child_command", lambda job, *rest: [sys.executable, "-c", script, str(job.folder)])
    monkeypatch.setattr(module, "shared_command", lambda job: [sys.executable, "-c", ""])

    def run(*words):
        try:
            return main(list(words))
        except SystemExit as error:
            return error.code

    return run


ON_CPU = ("hydra/launcher=gpu_pool", "hydra.launcher.gpus=[]")


@pytest.mark.parametrize(
    ("words", "says"),
    (
        (["sweep", "ablations", "experiment=final,nope", "seed=0"], ["experiment=nope", "no_identity"]),
        (["sweep", "ablations", "loss.projektion=3"], ["did you mean loss.projection?"]),
        (["sweep", "ablations", "loss.projektion=3,4"], ["loss.projektion=3", "did you mean loss.projection?"]),
        (["train", "-m", *ON_CPU, "experiment=final,nope"], ["experiment=nope", "no_identity"]),
        (["train", "-m", "experiment=final,nope"], ["experiment=nope", "no_identity"]),  # Hydra's own launcher
        (["train", "--multirun", "loss.projektion=3"], ["did you mean loss.projection?"]),
        (["train", "-m", "seed=0,1", "loss.projection=3,"], ["loss.projection=3,"]),
        (["train", "-m", "loss.projection=3,x"], ["loss.projection=x: loss.projection: must be a number"]),
        (["evaluate", "-m", "sise=3,4"], ["sise=3", "did you mean size?"]),
    ),
)
def test_what_does_not_compose_is_one_line_and_nothing_is_started(command, tmp_path, capsys, words, says):
    assert command(*words) == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1 and not captured.out
    assert captured.err.startswith("facedeblur: error: ") and all(text in captured.err for text in says)
    assert list(tmp_path.rglob("*")) == []


def test_a_refused_sweep_leaves_the_folder_as_it_was(command, tmp_path, capsys):
    words = ("train", "-m", *ON_CPU, "experiment=identity_nohg", "seed=0,1", "output=out")
    assert command(*words) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert command(*words, "loss.projection=4") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "+loss.projection=4" in message and "output=" in message and "sweep.name=" in message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    with FileLock(tmp_path / "out" / "sweep" / ".gpu_pool.lock"):
        assert command(*words, "jobs=3") == 2
    assert "another sweep" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_finished_run_may_be_made_longer_and_nothing_else(command, tmp_path):
    words = ("train", "-m", *ON_CPU, "experiment=identity_nohg", "seed=0", "output=out")
    assert command(*words, "trainer.epochs=2") == 0
    assert command(*words, "trainer.epochs=3") == 2
    assert command(*words, "trainer.epochs=3", "hydra.launcher.skip_done=false", "loss.projection=4") == 2
    assert command(*words, "trainer.epochs=3", "scale.epochs=3", "hydra.launcher.skip_done=false") == 0
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "out").rglob("identity_nohg/*/job.json"))
    assert "trainer.epochs=3" in record["overrides"] and record["resume"] is True
