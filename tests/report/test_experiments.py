"""The drivers of `experiments/` on made-up rows: `facedeblur evaluate` is replaced, everything after it is real."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from facedeblur import cli
from facedeblur.experiment_driver import labelled, parse, trained_runs

FOLDER = Path(__file__).resolve().parents[2] / "experiments"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no experiments/ beside the tests: an installed package")


def driver(name):
    spec = importlib.util.spec_from_file_location(f"experiment_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def runs(tmp_path):
    """Run folders of `final` (two seeds of demo, one of other) and `no_identity`, with empty checkpoints."""
    folder = tmp_path / "outputs"
    for run in ("final/demo-s0", "final/demo-s1", "final/other-s0", "no_identity/my-clips-s0"):
        checkpoints = folder / run / "checkpoints"
        checkpoints.mkdir(parents=True)
        (checkpoints / "best.ckpt").touch()
    (folder / "identity_nohg/demo-s0/checkpoints").mkdir(parents=True)  # nothing saved yet
    return folder


@pytest.fixture
def evaluate(monkeypatch, make_evaluation):
    """Stands in for `facedeblur evaluate`; returns the list of its arguments."""
    seen = []

    def command(arguments):
        assert arguments[0] == "evaluate"
        given = dict(argument.split("=", 1) for argument in arguments[1:])
        seen.append(given)
        names = [value.split("=")[0] for value in given.get("method", "").split(",") if value]
        shares = {name: 0.2 + 0.1 * i for i, name in enumerate(names)}
        folder = Path(given["output"]) / "evaluation" / given["name"]
        make_evaluation(folder, shares, blurs=given["blur"].split(","), people=4, frames=2)
        return 0

    monkeypatch.setattr(cli, "main", command)
    return seen


def test_runs_are_found_by_variant_name_and_seed(runs, capsys):
    options = parse("doc", ["--runs", str(runs)])
    found = trained_runs(options, ["identity_nohg", "no_identity", "final"])
    assert {variant: [run.name for run in of] for variant, of in found.items()} == {
        "no_identity": ["my-clips-s0"],
        "final": ["demo-s0", "demo-s1"],
    }
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("identity_nohg: not trained") and "--methods" not in told  # nothing is shipped of it
    assert trained_runs(parse("doc", ["--runs", "nowhere"]), ["final"]) == {}
    assert capsys.readouterr().err.endswith("; its shipped weights: --methods final-small-v1\n")
    assert [label.split("=")[0] for label in labelled(found)] == ["no_identity", "final-s0", "final-s1"]
    named = trained_runs(parse("doc", ["--runs", str(runs), "--name", "other"]), ["final"])
    assert labelled(named) == [f"final={runs / 'final/other-s0'}"]


def test_runs_of_a_sweep_are_found(tmp_path):
    sweep = tmp_path / "ablations"
    for run in ("final/s0", "final/s1", "no_identity/s0", "final/report"):
        (sweep / run / "checkpoints").mkdir(parents=True)
        (sweep / run / "checkpoints" / "last.ckpt").touch()
    found = trained_runs(parse("doc", ["--runs", str(sweep)]), ["no_identity", "final"])
    assert labelled(found) == [
        f"no_identity={sweep / 'no_identity/s0'}",
        f"final-s0={sweep / 'final/s0'}",
        f"final-s1={sweep / 'final/s1'}",
    ]


def test_overrides_are_handed_on_and_the_demo_is_kept_small(runs, evaluate, tmp_path):
    out = tmp_path / "out"
    driver("self_evaluation").main(["--runs", str(runs), "--output", str(out), "jobs=1"])
    assert evaluate[0]["images"] == "96" and evaluate[0]["jobs"] == "1" and evaluate[0]["blur"] == "pravg7"
    driver("self_evaluation").main(["--runs", str(runs), "--output", str(out), "data=clips", "data.root=x"])
    assert "images" not in evaluate[1] and evaluate[1]["name"] == "self_evaluation-clips"


def test_a_word_that_is_no_override_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse("doc", ["final"])
    assert "methods follow --methods" in capsys.readouterr().err


def test_overrides_may_follow_the_methods():
    overrides = ["data=clips", "data.root=x", "blur=vla", "+data.corpora.a=b", "images=9"]
    options = parse("doc", ["--methods", "all", "ours=run=1", *overrides, "my.py:Method"])
    assert options.methods == ("all", "ours=run=1", "my.py:Method")
    assert options.overrides == tuple(overrides)
    mixed = parse("doc", ["split=val", "--methods", "all", "jobs=1", "--output", "out"])
    assert mixed.methods == ("all",) and set(mixed.overrides) == {"split=val", "jobs=1"}


def test_table_4_has_the_variants_that_are_trained(runs, evaluate, tmp_path, capsys):
    assert driver("self_evaluation").main(["--runs", str(runs), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Table 4" in printed and "no_identity" in printed and "image_size" not in printed
    folder = tmp_path / "out/experiments/self_evaluation-demo"
    table = (folder / "tables/table-4.md").read_text()
    assert "| final |" in table and "0.935" in table and "±" in table
    assert "Table 4" in (folder / "index.html").read_text()


def test_tables_5_to_7_and_figures_9_to_12(runs, evaluate, tmp_path, capsys):
    assert driver("landmark_localization").main(["--runs", str(runs), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for number in (5, 6, 7):
        assert f"Table {number}: landmark localisation" in printed
    assert "Kupyn et al (2017)" in printed and "diagonal of the true box" in printed
    folder = tmp_path / "out/experiments/landmark_localization-demo"
    names = {path.name for path in (folder / "plots").iterdir()}
    assert {f"figure-{i}.{end}" for i in (9, 10, 11, 12) for end in ("svg", "png")} <= names
    assert {f"table-{i}.tex" for i in (5, 6, 7)} <= {path.name for path in (folder / "tables").iterdir()}


def test_table_8(runs, evaluate, tmp_path, capsys):
    assert driver("face_verification").main(["--runs", str(runs), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Table 8: face verification" in printed and "in 2 folds" in printed and "0.8482" in printed


def test_the_published_pairs_are_used_for_ytf(runs, evaluate, tmp_path, capsys):
    (tmp_path / "splits.txt").write_text("".join(f"{fold}, 1, p0/v0, p1/v0, 0\n" for fold in (1, 2)))
    arguments = ["--runs", str(runs), "--output", str(tmp_path / "out"), "data=ytf", f"data.root={tmp_path}"]
    from facedeblur.errors import UsageError

    with pytest.raises(UsageError, match="0 fold"):  # the made-up videos are not those of the list
        driver("face_verification").main(arguments)


def test_a_missing_list_of_pairs_is_said_before_the_evaluation(runs, evaluate, tmp_path):
    from facedeblur.errors import UsageError

    with pytest.raises(UsageError, match=r"splits\.txt"):
        driver("face_verification").main(["--runs", str(runs), "data=ytf", f"data.root={tmp_path}"])
    assert not evaluate


def test_an_evaluation_that_fails_ends_the_experiment(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "main", lambda arguments: 2)
    with pytest.raises(SystemExit) as ended:
        driver("self_evaluation").main(["--runs", str(tmp_path), "--output", str(tmp_path)])
    assert ended.value.code == 2
