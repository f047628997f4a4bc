"""The compared networks' stages: their losses by hand, who learns from which, resuming, and what runs load again."""

from __future__ import annotations

import copy

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from facedeblur.baselines.names import is_baseline, load_baseline
from facedeblur.errors import UsageError
from facedeblur.models.nah17 import multi_scale_mse
from facedeblur.training.compared_settings import ComparedSettings
from facedeblur.training.settings import TrainerSettings, run_settings
from facedeblur.training.stages.chakrabarti16 import Chakrabarti16Stage
from facedeblur.training.stages.kupyn17 import Kupyn17Stage, gradient_penalty
from facedeblur.training.stages.nafnet import NafnetStage, psnr_loss
from facedeblur.training.stages.nah17 import Nah17Stage

STAGES = {stage.kind: stage for stage in (Nah17Stage, Kupyn17Stage, Chakrabarti16Stage, NafnetStage)}
TINY = ComparedSettings(width=4, blocks=1, critic_steps=2, patches=2)
SIDE = 80


def batch(seed: int = 0) -> dict:
    generator = torch.Generator().manual_seed(seed)
    sharp = torch.rand(4, 3, SIDE // 8, SIDE // 8, generator=generator).repeat_interleave(8, 2).repeat_interleave(8, 3)
    blurry = F.avg_pool2d(F.pad(sharp, (3, 3, 3, 3), mode="replicate"), 7, stride=1)
    return {"blurry": blurry, "sharp": sharp, "meta": [], "replaced": []}


@pytest.fixture
def make(tmp_path):
    """`make(kind, resumed_from=None, init=None, **trainer)` -> stage whose `update` needs no Trainer."""

    def stage(
        kind: str,
        resumed_from: dict | None = None,
        init: str | None = None,
        compared: ComparedSettings = TINY,
        **trainer,
    ):
        pl.seed_everything(0, verbose=False)
        settings = TrainerSettings(**{"epochs": 1, "learning_rate": 1e-3, "beta1": 0.9} | trainer)
        made = STAGES[kind](
            compared,
            init,
            settings=settings,
            planned_steps=1000,
            batches_per_epoch=1000,
            images_per_step=4,
            folder=tmp_path,
            resumed_from=resumed_from,
        )
        optimizers = made.configure_optimizers()
        made.optimizers = lambda: optimizers if len(optimizers) > 1 else optimizers[0]
        made.manual_backward = lambda loss: loss.backward()
        made.check_losses = lambda losses, batch: None
        return made

    return stage


@pytest.mark.parametrize("kind", STAGES)
def test_a_batch_is_learned_and_images_come_out(kind, make):
    stage = make(kind)
    name = {"nah17": "g_content", "kupyn17": "g_content", "chakrabarti16": "g_patch", "nafnet": "g_psnr"}[kind]
    losses = [stage.update(batch())[name].item() for _ in range(12)]
    assert min(losses[-3:]) < losses[0]
    restored = stage.images(batch()["blurry"])
    assert list(restored) == ["blurred", "deblurred"] and restored["deblurred"].shape == (4, 3, SIDE, SIDE)


@pytest.mark.parametrize("kind", STAGES)
def test_a_resumed_stage_goes_on_as_if_never_stopped(kind, make):
    whole = make(kind)
    for seed in range(2):
        whole.update(batch(seed))
    state, random = copy.deepcopy({**whole.run_state(), "rng": None}), torch.get_rng_state()
    expected = whole.update(batch(2))
    resumed = make(kind, resumed_from=state)
    torch.set_rng_state(random)
    found = resumed.update(batch(2))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    for (name, value), other in zip(whole.networks_state().items(), resumed.networks_state().values(), strict=True):
        assert torch.equal(value, other), name


@pytest.mark.parametrize("kind", STAGES)
def test_a_run_becomes_a_row(kind, make, tmp_path):
    stage = make(kind, ema=0.9)
    stage.update(batch())
    stage.after_step()
    (tmp_path / "checkpoints").mkdir()
    torch.save({**stage.run_state(), "rng": []}, tmp_path / "checkpoints/last.ckpt")
    (tmp_path / "config.yaml").write_text(f"stage: {kind}\n")
    name, deblurrer, source = load_baseline(f"{kind}:{tmp_path}")
    assert is_baseline(str(tmp_path)) and load_baseline(str(tmp_path))[2]["fingerprint"] == source["fingerprint"]
    assert name == f"{kind} (retrained)" and source["weights"] == "retrained"
    average = stage.average.average
    assert all(torch.equal(value, average[key]) for key, value in deblurrer.network.state_dict().items())


@pytest.fixture
def run(make, tmp_path):
    """`run(kind)` -> a run folder after one update, and its stage."""

    def trained(kind: str):
        stage = make(kind, ema=0.9)
        stage.update(batch())
        stage.after_step()
        (tmp_path / "checkpoints").mkdir()
        torch.save({**stage.run_state(), "rng": []}, tmp_path / "checkpoints/last.ckpt")
        config = {"stage": kind, "model": {}, "compared": {"width": TINY.width, "blocks": TINY.blocks}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path, stage

    return trained


@pytest.mark.parametrize("kind", STAGES)
def test_a_branch_goes_on_with_networks_average_and_optimizers(kind, make, run):
    folder, first = run(kind)
    random = torch.get_rng_state()
    expected = first.update(batch(1))
    branch = make(kind, init=str(folder), ema=0.9)
    assert branch.generator_step == 0
    torch.set_rng_state(random)
    found = branch.update(batch(1))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for (name, value), other in zip(first.networks_state().items(), branch.networks_state().values(), strict=True):
        assert torch.equal(value, other), name  # so the optimizers' moments, and the bands, were the same
    first.after_step(), branch.after_step()
    assert all(torch.equal(branch.average.average[key], value) for key, value in first.average.average.items())


def test_training_goes_on_from_the_authors_file(make, tmp_path):
    generator = make("nah17").generator.state_dict()
    file = tmp_path / "model-1000.pt"
    torch.save({"G": {f"module.{key}": value + 1 for key, value in generator.items()}}, file)
    stage = make("nah17", init=str(file))
    assert all(torch.equal(value, generator[key] + 1) for key, value in stage.generator.state_dict().items())
    with pytest.raises(UsageError, match=r"model-1000.pt: of another architecture: .* is \(4, "):
        make("nah17", init=str(file), compared=ComparedSettings(width=8, blocks=1))


def test_a_run_brings_its_size_and_another_networks_is_refused(run, compose, tmp_path):
    folder, stage = run("nafnet")
    settings = run_settings(compose(f"init={folder}", "experiment=nafnet"))
    assert (settings.compared.width, settings.compared.blocks) == (TINY.width, TINY.blocks)
    file = folder / "other.pth"
    torch.save({"params": stage.generator.state_dict()}, file)
    assert run_settings(compose(f"init={file}", "experiment=nafnet")).init == str(file)
    for init, override, message in (
        (folder, "experiment=nah17", "is no run of experiment=nah17, but of nafnet"),
        (folder, "compared.width=8", r"compared\.width: .* has 4, not 8; leave the key out"),
        (file, "experiment=nah17", "init: .*other.pth: holds nafnet, not nah17"),
        (tmp_path / "absent.pth", "experiment=nah17", "init: .*absent.pth: no such file"),
    ):
        given = ["experiment=nafnet"] if override.startswith("compared") else []
        with pytest.raises(UsageError, match=message) as caught:
            compose(f"init={init}", *given, override)
        assert "\n" not in str(caught.value)


def test_nah17_takes_the_papers_loss(make):
    stage, pair = make("nah17"), batch()
    expected = multi_scale_mse(stage.generator(2 * pair["blurry"] - 1), 2 * pair["sharp"] - 1)
    assert stage.update(pair)["g_content"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_nah17_without_its_critic(make):
    stage = make("nah17", compared=ComparedSettings(width=4, blocks=1, content="l1", adversarial=0))
    assert stage.critic is None and set(stage.update(batch())) == {"g_content"}


def test_the_critic_is_not_moved_by_the_generators_step(make):
    stage = make("kupyn17", compared=ComparedSettings(width=4, blocks=1, critic_steps=1))
    stage.all_optimizers[1].step = lambda: None  # the critic's own step, left out
    before = [parameter.clone() for parameter in stage.critic.parameters()]
    generator = [parameter.clone() for parameter in stage.generator.parameters()]
    stage.update(batch())
    assert all(torch.equal(a, b) for a, b in zip(before, stage.critic.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(generator, stage.generator.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in stage.critic.parameters())


def test_the_critic_takes_its_steps(make):
    stage = make("kupyn17", compared=ComparedSettings(width=4, blocks=1, critic_steps=3))
    steps, step = [], stage.all_optimizers[1].step
    stage.all_optimizers[1].step = lambda: steps.append(step())
    stage.update(batch())
    assert len(steps) == 3


def test_the_gradient_penalty_of_a_linear_critic():
    """Its gradient is its weights, everywhere and for every image: (|w| - 1)²."""
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 1))
    penalty = gradient_penalty(critic, torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4))
    norm = critic[1].weight.norm()
    assert penalty.item() == pytest.approx((norm - 1).square().item(), rel=1e-4)
    penalty.backward()
    wanted = 2 * (norm - 1) * critic[1].weight / norm
    assert torch.allclose(critic[1].weight.grad, wanted, atol=1e-5)


def test_the_psnr_loss_is_minus_the_psnr():
    sharp = torch.rand(2, 3, 8, 8)
    assert psnr_loss(sharp + 0.1, sharp).item() == pytest.approx(-20, abs=1e-3)


def test_patches_of_a_pair_come_from_one_place(make):
    stage = make("chakrabarti16")
    image = torch.arange(SIDE * SIDE, dtype=torch.float32).view(1, SIDE, SIDE)
    patches = stage.random_patches(torch.stack([image, image + 0.5], dim=1))
    assert patches.shape == (2, 2, 65, 65)
    assert torch.equal(patches[:, 1], patches[:, 0] + 0.5)


def test_patches_are_whitened_once(make):
    stage = make("chakrabarti16")
    stage.update(batch())
    band = stage.generator.band2.clone()
    stage.update(batch(1))
    assert torch.equal(stage.generator.band2, band)
