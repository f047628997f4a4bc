"""docs/extend.md: every example is what `facedeblur new plugin` writes, passes its own test, and goes through a run."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facedeblur.blur.schedule import Schedule, blur_single, named_schedule
from facedeblur.data.corpora import CorpusSettings, find_clips
from facedeblur.data.pairs.augment import NO_AUGMENTATION, augment
from facedeblur.errors import UsageError
from facedeblur.losses import GeneratorLoss
from facedeblur.models.build import build_hourglass, build_networks
from facedeblur.models.plugged import try_networks
from facedeblur.models.settings import LossWeights, ModelSettings
from facedeblur.overrides import with_config_dir
from facedeblur.plugins import TARGET, TRUSTED, PluginError, as_text, described, targets, trust
from facedeblur.scaffold import KINDS, main, template, used
from facedeblur.training.settings import run_settings

DOC = (Path(__file__).resolve().parents[1] / "docs" / "extend.md").read_text()
SMALL = {"image_size": 128, "base_width": 4, "hourglass_features": 8, "hourglass_stacks": 1}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """`file(kind)` -> an example in a file of its own folder, whose code this test may import."""
    monkeypatch.setenv(TRUSTED, "")

    def written(kind: str) -> str:
        path = tmp_path / f"my_{kind}.py"
        path.write_text(template(kind))
        target = f"{path}:{KINDS[kind].name}"
        trust([target])
        return target

    return written


@pytest.mark.parametrize("kind", KINDS)
def test_the_documentation_shows_what_the_command_writes(kind, tmp_path, monkeypatch, capsys):
    assert f"```python\n{template(kind).rstrip()}\n```" in DOC
    assert f"    {used(kind, f'my_{kind}.py')}\n" in DOC
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["plugin", kind]) == 0 and used(kind, f"my_{kind}.py") in capsys.readouterr().out
    spec = importlib.util.spec_from_file_location(f"test_my_{kind}", f"test_my_{kind}.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        test = getattr(module, f"test_{kind}")
        test(tmp_path) if "tmp_path" in test.__code__.co_varnames[: test.__code__.co_argcount] else test()
    finally:
        sys.modules.pop(f"my_{kind}", None)
    with pytest.raises(UsageError, match="is there already"):
        main(["plugin", kind])


def test_examples_are_composed_as_they_are_shown(tmp_path, monkeypatch, compose):
    """The commands of docs/extend.md, all that go together in one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TRUSTED, "")
    words = []
    for kind in set(KINDS) - {"network", "method"}:
        Path(f"my_{kind}.py").write_text(template(kind))
        words += [w for w in shlex.split(used(kind, f"my_{kind}.py"))[2:] if not w.startswith("data.root")]
    plain = compose(*sorted(words), f"data.root={tmp_path}")
    found = {key: target for key, target in targets(plain).items() if not key.startswith("hourglass.")}
    assert set(found.values()) == {f"my_{k}.py:{KINDS[k].name}" for k in set(KINDS) - {"network", "method"}}
    assert all(len(source["sha256"]) == 64 for source in described(plain).values())
    Path("my_loss.py").unlink()
    with pytest.raises(PluginError, match=r"^loss\.terms\.mine: .*my_loss\.py: no such file$"):
        compose(*sorted(words), f"data.root={tmp_path}")


def test_own_options_lie_in_a_folder_of_their_own(tmp_path, compose):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - final\nseed: 7\n")
    words = with_config_dir(["--config-dir", str(tmp_path), "experiment=mine"])
    assert compose(*words)["seed"] == 7
    assert with_config_dir([f"--config-dir={tmp_path}", "seed=1"])[0] == "seed=1"
    with pytest.raises(UsageError, match="nowhere is not a folder"):
        with_config_dir(["--config-dir", "nowhere"])


@pytest.mark.parametrize(("role", "kind"), (("generator", "network"), ("pair", "pair")))
def test_networks_stand_in_the_places_of_the_papers(file, role, kind):
    settings = ModelSettings(**SMALL, identity=role == "pair", plugins={role: file(kind)})
    networks = build_networks(settings)
    try_networks(networks, settings)
    images = torch.rand(1, 3, 128, 128)
    assert networks.condition(images).shape == (1, 6, 128, 128)  # conditioned on the hourglass
    assert networks.generator(networks.condition(images)).shape == images.shape
    if role == "pair":
        assert networks.identity.decoder is networks.generator.decoder  # tied: section 3.2
    own = [type(m).__module__ for m in networks.generator.modules() if "plugin" in type(m).__module__]
    assert own


def test_first_step_and_discriminator(file):
    plugins = {"first_step": file("first_step"), "discriminator": file("discriminator")}
    settings = ModelSettings(**SMALL, generator="light", light_width=4, plugins=plugins)
    networks = build_networks(settings, build_hourglass(settings))
    try_networks(networks, settings)
    assert type(networks.hourglass).__name__ == "FirstStep" and type(networks.discriminator).__name__ == "Critic"


BROKEN = """
import torch
from torch import nn
class Smaller(nn.Module):
    def __init__(self, channels): super().__init__(); self.layer = nn.Conv2d(channels, 3, 3)
    def forward(self, image): return self.layer(image)
class Nan(Smaller):
    def forward(self, image): return image[:, :3] * float("nan")
class Throws(Smaller):
    def forward(self, image): raise RuntimeError("sizes do not match\\nat all")
def function(channels): return lambda image: image
def nan(output, sharp): return (output - sharp).mean() * float("nan")
def two(output, sharp): return (output - sharp).abs().mean(dim=(1, 2, 3))
"""


@pytest.mark.parametrize(
    ("name", "told"),
    (
        ("Smaller", "must give images (2, 3, 128, 128) for such a batch, got (2, 3, 126, 126)"),
        ("Nan", "gives values that are not finite for images in [-1, 1]"),
        ("Throws", "RuntimeError: sizes do not match"),
        ("function", "must be a torch.nn.Module, got function"),
    ),
)
def test_a_network_that_cannot_work_is_one_line_before_training(tmp_path, monkeypatch, name, told):
    (tmp_path / "broken.py").write_text(BROKEN)
    settings = ModelSettings(
        **SMALL, identity=False, two_step=False, plugins={"generator": f"{tmp_path}/broken.py:{name}"}
    )
    monkeypatch.setenv(TRUSTED, "")
    with pytest.raises(PluginError, match=r"code is imported only when you name it: --plugin .*broken\.py"):
        build_networks(settings)
    trust([f"{tmp_path}/broken.py:{name}"])
    with pytest.raises(PluginError) as caught:
        try_networks(build_networks(settings), settings)
    assert told in str(caught.value) and str(caught.value).startswith("model.plugins.generator: ")
    assert "\n" not in str(caught.value)


def test_settings_of_plugins_are_checked():
    for settings, told in (
        ({"plugins": {"generatr": "a.py:Net"}}, "plugins.generatr: no such plug-in; there are generator, pair"),
        ({"plugins": {"generator": 3}}, "plugins.generator: must be <file>.py:<Name>"),
        ({"plugins": {"generator": "a.py:Net"}}, "model.identity=false, or give its halves as plugins.pair"),
    ):
        with pytest.raises(ValueError, match=told):
            ModelSettings(**SMALL, **settings)
    for term, told in (
        ({"projection": "a.py:f"}, "terms.projection: the name is taken"),
        ({"mine": {TARGET: "a.py:f", "weight": -1}}, "terms.mine.weight: must be a finite number of at least 0"),
        ({"mine": {TARGET: "a.py:f", "inputs": ["depth"]}}, "terms.mine.inputs: must be a list of output, sharp"),
    ):
        with pytest.raises(ValueError, match=told):
            LossWeights(terms=term)


@pytest.mark.parametrize(
    ("stage", "words", "told"),
    (
        ("nah17", ("+model.plugins.discriminator=torch.nn.Conv2d",), "model.plugins.discriminator: nah17 has networks"),
        ("kupyn17", ("+loss.terms.mine=torch.nn.functional.l1_loss",), "loss.terms.mine: kupyn17 has networks"),
        ("chakrabarti16", ("trainer.optimizer=torch.optim.RAdam",), "trainer.optimizer: chakrabarti16 is trained by"),
    ),
)
def test_compared_networks_refuse_what_they_would_ignore(compose, stage, words, told):
    with pytest.raises(ValueError, match=told):
        run_settings(compose(f"experiment={stage}", *words))
    run_settings(compose(f"experiment={stage}", "+trainer.metrics.mine=torch.nn.functional.l1_loss"))


def test_a_loss_term_is_weighed_into_the_sum(file, tmp_path):
    term = {TARGET: file("loss"), "weight": 50, "levels": 1, "inputs": ["output", "blurry"]}
    loss = GeneratorLoss(LossWeights(terms={"mine": term}))
    output, sharp, blurry = (torch.rand(2, 3, 16, 16) for _ in range(3))
    terms = loss(output.requires_grad_(), sharp, blurry=blurry)
    assert terms["mine"].item() == pytest.approx((output - blurry).abs().mean().item(), rel=1e-5)
    without = GeneratorLoss()(output, sharp)
    assert terms["total"].item() == pytest.approx((without["total"] + 50 * terms["mine"]).item(), rel=1e-5)
    assert "mine" not in loss(output, sharp)  # nothing blurry was given
    (tmp_path / "broken.py").write_text(BROKEN)
    wrong = GeneratorLoss(LossWeights(terms={"nan": f"{tmp_path}/broken.py:nan"}))
    with pytest.raises(PluginError, match=r"^loss\.terms\.nan: .*broken\.py:nan gives nan for its first batch$"):
        wrong(output, sharp)
    wrong = GeneratorLoss(LossWeights(terms={"two": f"{tmp_path}/broken.py:two"}))
    with pytest.raises(PluginError, match=r"must give one number for a batch, a tensor \(\), got \(2,\)"):
        wrong(output, sharp)


def test_blur_augmentation_and_corpus(file, tmp_path):
    plugin = as_text({TARGET: file("blur"), "radius": 6.0}, "k")
    schedule = Schedule("mine", "plugin", plugin=plugin)
    sharp = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    blurry = blur_single(sharp, named_schedule(**vars(schedule)), 5, np.zeros((68, 2)))
    np.testing.assert_array_equal(blurry, blur_single(sharp, schedule, 5, np.zeros((68, 2))))
    assert blurry.std() < 0.8 * sharp.std()
    path = Path(file("blur").rpartition(":")[0])
    path.write_text(path.read_text() + "\n# another code\n")
    assert replace(schedule, plugin=as_text({TARGET: file("blur"), "radius": 6.0}, "k")).fingerprint()
    changed = as_text({TARGET: f"{path}:defocus", "radius": 5.0}, "k")
    assert replace(schedule, plugin=changed).fingerprint() != schedule.fingerprint()

    settings = replace(NO_AUGMENTATION, plugin=as_text({TARGET: file("augmentation"), "share": 0.5}, "k"))
    one, other = (augment(sharp, sharp, np.zeros((68, 2), np.float32), settings, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    assert settings.active and (one[1] == 128).all(axis=2).sum() >= 32 * 32

    for name in ("ann_1", "ann_2", "vera_1"):
        (tmp_path / f"{name}.mp4").touch()
    clips = find_clips(CorpusSettings(file("corpus"), str(tmp_path)))
    assert [(clip.identity, clip.split) for clip in clips] == [("ann", "train"), ("ann", "train"), ("vera", "val")]
    with pytest.raises(ValueError, match="no such file"):
        CorpusSettings(f"{tmp_path}/none.py:find", str(tmp_path))
