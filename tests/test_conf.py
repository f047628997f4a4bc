"""Every option of the Hydra tree composes, becomes settings, and builds what it describes."""

from __future__ import annotations

import pytest

from facedeblur.blur.camera_shake import CameraShakeSettings
from facedeblur.blur.trajectory import TrajectorySettings
from facedeblur.blur.vla import VLASettings
from facedeblur.data.demo import DemoSettings
from facedeblur.data.make_corpus import epoch_size, mixture_rows
from facedeblur.errors import UsageError
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.settings import LossWeights
from facedeblur.overrides import conf_dir
from facedeblur.training.cache_keys import stages_data
from facedeblur.training.compared_settings import COMPARED, ComparedSettings
from facedeblur.training.settings import run_settings

OPTIONS = sorted((path.parent.name, path.stem) for path in conf_dir().glob("*/*.yaml") if path.stem != "base")
EXPERIMENTS = ("final", "no_identity", "identity_nohg", "identity_nohg_only2mf2", "hourglass", "localizer")
ABLATIONS = EXPERIMENTS[1:4]


def settings_of(compose, *overrides):
    return run_settings(compose(*overrides))


def count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def flat(tree, prefix="") -> dict:
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {key: value for name, child in tree.items() for key, value in flat(child, f"{prefix}.{name}").items()}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_is_settings(compose, tmp_path, group, option):
    extra = []
    if group == "data" and option == "mixture":
        extra = [f"+data.corpora.mine={{kind: clips, root: {tmp_path}}}"]
    elif group == "data" and option == "paper":
        extra = [f"data.corpora.{name}.root={tmp_path}" for name in ("twomf2", "lrw")]
    elif (group == "data" and option != "demo") or option == "localizer":
        extra = [f"data.root={tmp_path}"]
    where = "trainer@hourglass.trainer" if (group, option) == ("trainer", "hourglass") else group
    settings = settings_of(compose, f"{where}={option}", *extra)
    assert len(mixture_rows(settings.data, settings.blur)) >= 1
    assert settings.blur.training() and settings.blur.validation()
    if settings.model.base_width <= 32:  # the paper's sizes have their own tests
        assert count(build_networks(settings.model)) > 0


def test_the_papers_recipe_is_one_option(compose, tmp_path):
    roots = [f"data.corpora.{name}.root={tmp_path}" for name in ("twomf2", "lrw")]
    settings = settings_of(compose, "data=paper", "blur=vla", *roots)
    rows = mixture_rows(settings.data, settings.blur)
    assert [(row.corpus, row.reverse, row.count) for row in rows] == [
        ("twomf2", False, 300_000), ("twomf2", True, 100_000), ("lrw", False, 60_000),
    ]  # fmt: skip
    assert [(c.kind, c.name, c.every, c.min_frames) for c in settings.data.sources()] == [
        ("twomf2", "twomf2", 1, 500), ("lrw", "lrw", 10, 0),
    ]  # fmt: skip
    assert epoch_size(settings.data) is None
    kernels = settings_of(compose, "data=paper", "blur=trajectory", *roots)
    assert [row.reverse for row in mixture_rows(kernels.data, kernels.blur)] == [False, False]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=mixture"], "data.corpora: data=mixture needs corpora"),
        (["data=paper"], "data.corpora.twomf2.root: must be the folder"),
        (["data=lrw", "data.root=/nowhere"], "data.root: /nowhere is not a folder; lrw expects lipread_mp4/<WORD>"),
        (
            ["data=mixture", "+data.corpora.a={kind: clips, root: /}", "data.mixture=[{corpus: b, weight: 1}]"],
            "mixture: ",
        ),
    ],
)
def test_wrong_corpora_are_one_line(compose, overrides, message):
    with pytest.raises(UsageError, match=message):
        compose(*overrides)


@pytest.mark.parametrize("name", ("hourglass.blur", "hourglass.data", "hourglass.trainer"))
def test_the_first_stage_has_groups_of_its_own(compose, name):
    group = name.split(".")[1]
    option = {"blur": "trajectory", "data": "demo", "trainer": "default"}[group]
    settings_of(compose, f"{group}@{name}={option}")


def test_the_first_stage_reads_what_the_second_does(compose, tmp_path):
    root = f"data.root={tmp_path}"
    first = settings_of(compose, "data=lrw", root, "data.every=3", "data.min_frames=20").hourglass.data
    assert [(source.every, source.min_frames) for source in first.sources()] == [(3, 20)]
    own = settings_of(compose, "data=lrw", root, "data.every=3", "hourglass.data.every=5").hourglass.data
    assert own.every == 5


def test_the_first_stage_draws_the_mixture_of_its_corpora(compose, tmp_path):
    roots = [f"data.corpora.{name}.root={tmp_path}" for name in ("twomf2", "lrw")]
    fewer = "data.mixture=[{corpus: twomf2, count: 30}, {corpus: lrw, count: 6}]"

    def passes(*overrides):
        return [(row.corpus, row.count) for row in settings_of(compose, *overrides).hourglass.data.mixture]

    assert passes("data=paper", *roots, fewer) == [("twomf2", 30), ("lrw", 6)]
    own = "hourglass.data.mixture=[{corpus: lrw, count: 5}]"
    assert passes("data=paper", *roots, fewer, own) == [("lrw", 5)]
    photos = ["data@hourglass.data=stills", f"hourglass.data.root={tmp_path}"]
    assert passes(*photos) == passes("data=paper", *roots, *photos) == [(None, None)]
    backwards = "data.mixture=[{corpus: A, reverse: true, weight: 1}]"
    assert passes(backwards) == [(None, None)], "kernels have no reversed pass"
    assert passes() == [("A", None), ("B", None), ("A", None)]


def test_all_experiments_are_there():
    assert {option for group, option in OPTIONS if group == "experiment"} == {*EXPERIMENTS, *COMPARED}


@pytest.mark.parametrize(
    ("experiment", "differs"),
    (
        ("no_identity", {".experiment", ".model.identity"}),
        ("identity_nohg", {".experiment", ".model.two_step"}),
        ("identity_nohg_only2mf2", {".experiment", ".model.two_step", ".data.only_first_pass"}),
    ),
)
def test_ablations_differ_only_in_what_they_say(compose, experiment, differs):
    final, ablation = flat(compose("experiment=final")), flat(compose(f"experiment={experiment}"))
    changed = {key for key in final.keys() | ablation.keys() if final.get(key) != ablation.get(key)}
    assert changed == differs


def test_ablations_differ_in_parameters_by_what_they_leave_out(compose):
    networks = {name: build_networks(settings_of(compose, f"experiment={name}").model) for name in EXPERIMENTS[:4]}
    final = count(networks["final"])
    width = 16
    encoder_3ch = sum(p.numel() for p in networks["final"].identity.encoder.parameters())
    assert count(networks["no_identity"]) == final - encoder_3ch
    # without the hourglass the first 4x4 filters see 3 channels instead of 6
    assert count(networks["identity_nohg"]) == final - 4 * 4 * 3 * width
    assert count(networks["identity_nohg_only2mf2"]) == count(networks["identity_nohg"])


def test_only2mf2_keeps_the_first_pass_and_its_share(compose):
    settings = settings_of(compose, "experiment=identity_nohg_only2mf2", "data.epoch_windows=460")
    rows = mixture_rows(settings.data, settings.blur)
    assert [(row.corpus, row.reverse) for row in rows] == [("A", False)]
    assert epoch_size(settings.data) == 300


def test_the_papers_mixture(compose):
    settings = settings_of(compose, "scale=paper")
    rows = mixture_rows(settings.data, settings.blur)
    shares = [row.weight / sum(r.weight for r in rows) * epoch_size(settings.data) for row in rows]
    assert shares == [300000, 60000, 100000]
    assert settings.loss.projection == 8 and settings.loss.content_image == settings.loss.reconstruction == 100
    assert settings.trainer.epochs == 60 and settings.model.hourglass_stacks == 8


def test_reversed_passes_hold_no_kernels(compose):
    settings = settings_of(compose, "blur=vla_trajectory")
    rows = mixture_rows(settings.data, settings.blur)
    assert [dict(row.schedules) for row in rows if row.reverse] == [{"vla": 1.0}]
    settings = settings_of(compose, "blur=trajectory")
    assert not any(row.reverse for row in mixture_rows(settings.data, settings.blur))


def test_hourglass_experiment_builds_its_network(compose):
    settings = settings_of(compose, "experiment=hourglass")
    assert settings.stage == "hourglass" and count(build_hourglass(settings.model)) > 0


@pytest.mark.parametrize(
    ("override", "names"),
    (
        ("trainer.learning_rat=1", "learning_rat"),
        ("trainer.learning_rate=-1", "trainer.learning_rate"),
        ("trainer.epochs=2.5", "trainer.epochs"),
        ("model.image_size=100", "image_size"),
        ("experiment=fnal", "fnal"),
        ("+model.depth=3", "model.depth"),
        ("data=clips", "data.root"),
        ("data.root=/no/such/folder", "/no/such/folder"),
        ("blur.vla.max_length=8", "blur.vla"),
        ("blur.response=sepia", "response"),
        ("hourglass.checkpoint=/no/such.ckpt", "hourglass.checkpoint"),
        ("resume=/no/such/run", "/no/such/run"),
        ("seed=", "seed"),
        ("name=a (1)", "name=a (1): cannot be read"),
        ("trainer.devices=3", "data.batch"),
        ("hourglass.trainer.ema=0.9", "hourglass.trainer.ema"),
    ),
)
def test_wrong_keys_and_values_are_one_line_that_names_them(compose, override, names):
    with pytest.raises(UsageError) as caught:
        compose(override)
    message = str(caught.value)
    assert names in message and "\n" not in message


def test_precision_is_a_number_or_a_name(compose):
    for value in ("32", "'32'", "bf16", "auto"):
        settings_of(compose, f"trainer.precision={value}")


def test_the_defaults_in_conf_are_those_in_the_code(compose):
    """The tree spells out every threshold; the dataclasses' own defaults must not drift from it."""
    settings = settings_of(compose)
    for part, default in (
        (settings.blur.vla, VLASettings()),
        (settings.blur.trajectory, TrajectorySettings()),
        (settings.blur.camera_shake, CameraShakeSettings()),
        (settings.data.demo, DemoSettings()),
        (settings.loss, LossWeights()),
    ):
        assert part == default


@pytest.mark.parametrize("name", ("with blank", "a,b", "x=1", "it's", "brac{e}", 'q"uote', "(1)"))
def test_paths_may_hold_any_character(compose, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    assert settings_of(compose, "data=clips", f"data.root={folder}").data.root == str(folder)


def test_tilde_is_the_home_folder(compose, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_of(compose, "data=clips", "data.root=~").hourglass.data.root == str(tmp_path)


def test_tilde_is_the_home_folder_inside_a_mapping_and_under_every_key(compose, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a of mine", "b of mine"):
        (tmp_path / name).mkdir()
    corpora = [f"+data.corpora.{name}={{kind: clips, root: ~/{name} of mine}}" for name in ("a", "b")]
    words = [*corpora, "data.export_frames=~/faces", "data.splits=~/splits.txt"]
    settings = settings_of(compose, "data=mixture", *words)
    assert [corpus.root for corpus in settings.data.corpora.values()] == [f"{tmp_path}/{x} of mine" for x in "ab"]
    assert settings.data.export_frames == f"{tmp_path}/faces"
    assert settings.data.splits == f"{tmp_path}/splits.txt"


@pytest.mark.parametrize("name", COMPARED)
def test_a_compared_network_is_an_experiment_that_smoke_makes_small(compose, name):
    settings = settings_of(compose, f"experiment={name}")
    assert settings.stage == name and not settings.model.conditioned
    assert settings.compared == ComparedSettings()  # the paper's
    assert [title for title, *_ in stages_data(settings)] == [f"{name} stage"]
    small = settings_of(compose, f"experiment={name}", "trainer=smoke")
    assert (small.compared.width, small.trainer.max_steps) == (4, 40)
    with pytest.raises(UsageError, match="init"):
        settings_of(compose, f"experiment={name}", "init=some-weights")


def test_kupyn17_takes_no_accumulation(compose):
    with pytest.raises(UsageError, match="several critic steps on every batch"):
        settings_of(compose, "experiment=kupyn17", "trainer.accumulate=2")
