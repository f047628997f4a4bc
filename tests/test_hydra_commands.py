"""From the command line to the work: how often a configuration is composed and parsed on its way."""

from __future__ import annotations

import os
from collections import Counter
from types import SimpleNamespace

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from facedeblur.cli import main
from facedeblur.evaluation import command as evaluation_command
from facedeblur.evaluation import settings as evaluation_settings
from facedeblur.files import write_json
from facedeblur.models.checkpoint import CheckpointError
from facedeblur.training import settings as training_settings
from facedeblur.training import train as training


@pytest.fixture
def counts(monkeypatch):
    """How many configurations were composed and parsed since."""
    found: Counter[str] = Counter()

    def counting(name, original):
        def called(*args, **kwargs):
            found[name] += 1
            return original(*args, **kwargs)

        return called

    compose = counting("composed", ConfigLoaderImpl.load_configuration)
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", compose)
    for module in (training_settings, evaluation_settings):
        monkeypatch.setattr(module, "build", counting("parsed", module.build))
    return found


@pytest.fixture
def fitted(monkeypatch):
    """Titles of the stages that would have been trained."""
    titles = []
    data = training._Data(SimpleNamespace(reports={}), None, None)
    monkeypatch.setattr(training, "_make_data", lambda *args, **kwargs: data)

    def fit(make, module, draw, run):
        titles.append(run.title)
        return SimpleNamespace(generator_step=1, planned_steps=1)

    monkeypatch.setattr(training, "fit_stage", fit)
    monkeypatch.setattr(training, "finish", lambda *args: None)
    return titles


def test_training_composes_and_parses_once(counts, fitted, tmp_path):
    assert main(["train", "trainer=smoke", f"output={tmp_path}"]) == 0
    assert fitted == ["hourglass", "final"]
    assert counts == {"composed": 1, "parsed": 1}
    assert (tmp_path / "final" / "demo-s0" / "config.yaml").is_file()
    assert not list(tmp_path.rglob("*.log")), "Hydra's own log is empty"


@pytest.mark.parametrize("flag", (0, 2, 4))
def test_a_multirun_may_begin_with_weights_wherever_its_flag_stands(fitted, tmp_path, flag):
    words = ["experiment=no_identity", "trainer=smoke", "init=no_identity-small-v1", "seed=0,1", f"output={tmp_path}"]
    assert main(["train", *words[:flag], "-m", *words[flag:]]) == 0
    assert fitted == ["no_identity", "no_identity"]


def test_a_resumption_composes_twice_for_the_overrides_that_the_run_brings(counts, fitted, tmp_path):
    run = tmp_path / "no_identity" / "demo-s0"
    identity = {"experiment": "no_identity", "seed": 0}
    write_json(run / "overrides.json", {"overrides": ["experiment=no_identity"], "identity": identity})
    assert main(["train", f"resume={run}", f"output={tmp_path}"]) == 0
    assert fitted[-1] == "no_identity"
    assert counts == {"composed": 2, "parsed": 1}


def test_an_evaluation_composes_and_parses_once(counts, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(evaluation_command, "Evaluation", lambda settings: seen.append(settings) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", f"output={tmp_path}", "blur=pravg7,vla"])
    assert tuple(seen[0].blurs) == ("pravg7", "vla")
    assert counts == {"composed": 1, "parsed": 1}


def test_what_the_work_raises_is_one_line(fitted, monkeypatch, tmp_path, capsys):
    def fail(*args, **kwargs):
        raise CheckpointError("of another network")

    monkeypatch.setattr(training, "fit_stage", fail)
    assert main(["train", "experiment=no_identity", f"output={tmp_path}"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "facedeblur: error: of another network"


def test_lightning_can_start_the_other_processes_of_a_group(monkeypatch, fitted, tmp_path):
    """It asks Hydra for the folder of the run and for where the command was started."""
    from lightning_fabric.strategies.launchers.subprocess_script import _hydra_subprocess_cmd

    commands = []

    def fit(*args):
        commands.append(_hydra_subprocess_cmd(local_rank=1))
        return SimpleNamespace(generator_step=1, planned_steps=1)

    monkeypatch.setattr(training, "fit_stage", fit)
    assert main(["train", "experiment=no_identity", f"output={tmp_path}", "name=a b"]) == 0
    command, folder = commands[-1]
    assert folder == os.getcwd()
    assert f'hydra.run.dir="{tmp_path}/no_identity/a b-s0"' in command


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("data.batch=6", "data.batch=4, not 6"),
        ("trainer.accumulate=2", "trainer.accumulate=1, not 2"),
        ("data.demo.identities=5", "data.demo="),
        ("blur=pravg7", "blur.schedules="),
    ],
)
def test_a_resumed_run_keeps_to_what_it_has_learned_from(fitted, tmp_path, capsys, word, told):
    begun = ["train", "trainer=smoke", "experiment=no_identity", f"output={tmp_path}"]
    assert main(begun) == 0
    assert main([*begun, "resume=auto", "trainer.learning_rate=1e-4", "data.workers=1"]) == 0
    before = (tmp_path / "no_identity" / "demo-s0" / "config.yaml").read_text()
    assert main([*begun, "resume=auto", word]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "was trained with" in line and told in line and "choose another name" in line
    assert (tmp_path / "no_identity" / "demo-s0" / "config.yaml").read_text() == before


def test_a_corpus_of_one_person_is_refused_before_a_video_is_read(tmp_path, capsys):
    (tmp_path / "clips" / "ann").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "clips" / "ann" / f"{number}.mp4").write_bytes(b"no video at all")
    words = ["data=clips", f"data.root={tmp_path / 'clips'}", f"output={tmp_path / 'out'}", "data.cache=none"]
    for command in ("train", "prepare"):
        assert main([command, "trainer=smoke", *words]) == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert "clips among 3, of 1 identities; give data.val_root, or more identities" in line
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["export", "nowhere", "-o", "{}/x.safetensors"], "export: -o"),
        (["report", "rows", "--out", "{}/report"], "--out"),
        (["score", "rows", "rows", "--out", "{}/scores"], "--out"),
        (["exemplars", "nowhere", "-o", "{}/x.npz"], "--out"),
        (["motion", "nowhere", "-o", "{}/x.npz"], "--out"),
        (["prepare", "output={}/outputs"], ""),
        (["prepare", "data.export={}/pairs"], "data.export"),
        (["train", "output={}/outputs"], ""),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch, capsys, words, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "rows" / "rows").mkdir(parents=True)
    (tmp_path / "rows" / "rows" / "a.parquet").touch()
    assert main([word.format(tmp_path / "file") for word in words]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"facedeblur: error: {key}") and "cannot be written to" in line and "file" in line
