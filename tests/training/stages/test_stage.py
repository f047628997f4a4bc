"""The two-optimizer step under Lightning: counters, schedules, frozen parts, running statistics, state."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from facedeblur.models.checkpoint import load_checkpoint
from facedeblur.models.settings import LossWeights
from facedeblur.training.callbacks.checkpoint import gather_rng_states, save_checkpoint
from facedeblur.training.callbacks.guards import NanLossError, TimeLimit
from facedeblur.training.loggers.csv_log import MetricsCsv
from facedeblur.training.stages.optimizers import decayed_rate

from ..conftest import MODEL, random_batches


def read_csv(path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def copies(module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict, module) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def test_rate_is_constant_then_linear_to_zero():
    assert [decayed_rate(step, 100, 0.5) for step in (0, 50, 75, 100, 120)] == [1, 1, 0.5, 0, 0]
    assert decayed_rate(0, 1, 1.0) == 1


@pytest.mark.parametrize("kind", ("adversarial", "hourglass"))
def test_n_batches_are_n_generator_steps_and_the_rate_decays(make_stage, fit, tmp_path, kind):
    stage = make_stage(kind, batches=4, epochs=2)
    log = MetricsCsv(tmp_path / "metrics.csv")
    trainer = fit(stage, random_batches(4), logger=[log])
    assert stage.generator_step == 8
    if kind == "adversarial":
        assert trainer.global_step == 16  # Lightning counts both optimizers; our axis does not
    rows = read_csv(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    rates = [float(row["train/learning_rate"]) for row in rows]
    assert rates[0] == pytest.approx(2e-4) and rates[-1] == 0 and rates == sorted(rates, reverse=True)
    assert all(group["lr"] == 0 for optimizer in trainer.optimizers for group in optimizer.param_groups)


def test_accumulation_steps_once_per_window(make_stage, fit):
    stage = make_stage(batches=5, epochs=1, accumulate=2)
    seen = []
    stage.after_step = lambda: seen.append(stage.position["batch"])
    fit(stage, random_batches(5))
    assert stage.generator_step == 2 and seen == [2, 4]  # the fifth batch fills no step


def test_accumulated_gradient_is_the_mean_of_the_batches(make_stage):
    """Without batch norm and dropout two half batches are one whole batch."""
    model = replace(MODEL, norm="none", keep=(1.0,) * 7, two_step=False, identity=False)
    weights = LossWeights(adversarial=0, projection=0)
    (whole,) = random_batches(1, batch=4)
    halves = [{**whole, "blurry": whole["blurry"][i : i + 2], "sharp": whole["sharp"][i : i + 2]} for i in (0, 2)]
    gradients = []
    for batches, accumulate in (([whole], 1), (halves, 2)):
        stage = make_stage(model=model, weights=weights, accumulate=accumulate, batches=2)
        stage.manual_backward = lambda loss: loss.backward()
        stage.check_losses = lambda losses, batch: None
        stage.optimizers = lambda: [torch.optim.SGD([torch.zeros(1)], lr=0.0)] * 2
        for batch in batches:
            stage.update(batch)
        gradients.append([p.grad for p in stage.networks.generator.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clip", [0.5, 1e6])
def test_gradients_are_limited_to_the_norm_that_is_set(make_stage, clip):
    stage = make_stage(weights=LossWeights(adversarial=0, projection=0), clip=clip)
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    (norm,) = stage.step_optimizer(torch.optim.SGD([parameter], lr=1.0)).values()
    assert norm == 5 and parameter.grad is None
    torch.testing.assert_close(parameter.detach(), -torch.tensor([3.0, 4.0]) * min(1, clip / 5))


def test_without_a_limit_no_norm_is_measured(make_stage):
    stage = make_stage()
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.full((1,), 1e3)
    assert stage.step_optimizer(torch.optim.SGD([parameter], lr=1.0)) == {}
    assert parameter.item() == -1e3


def test_the_hourglass_stays_as_it_was(make_stage, fit):
    stage = make_stage(epochs=2)
    before = copies(stage.networks.two_step)
    fit(stage, random_batches(4))
    assert not changed(before, stage.networks.two_step)
    assert not any(p.requires_grad or p.grad is not None for p in stage.networks.two_step.parameters())
    assert changed(copies(make_stage().networks.generator), stage.networks.generator)


def test_running_statistics_of_the_decoder_come_from_the_blurry_stream(make_stage):
    stage = make_stage()
    decoder = stage.networks.generator.decoder
    assert decoder is stage.networks.identity.decoder
    (batch,) = random_batches(1)
    decoder.train()
    before = copies(decoder)
    stage.networks.identity(2 * batch["sharp"] - 1)
    moved = changed(before, decoder)
    assert moved and all("sharp_running" in name or "num_batches" in name for name in moved)
    before = copies(decoder)
    stage.networks.generator(stage.networks.condition(2 * batch["blurry"] - 1))
    moved = changed(before, decoder)
    assert moved and not any("sharp_running" in name for name in moved)


def test_without_adversarial_weights_the_discriminator_rests(make_stage, fit):
    stage = make_stage(weights=LossWeights(adversarial=0, projection=0))
    before = copies(stage.networks.discriminator)
    fit(stage, random_batches(4))
    assert not changed(before, stage.networks.discriminator)


def test_the_discriminator_starts_when_its_share_has_come(make_stage, fit, tmp_path):
    stage = make_stage(batches=4, adversarial_start=0.5)
    before, seen = copies(stage.networks.discriminator), []
    stage.after_step = lambda: seen.append(bool(changed(before, stage.networks.discriminator)))
    log = MetricsCsv(tmp_path / "metrics.csv")
    fit(stage, random_batches(4), logger=[log])
    assert seen == [False, False, True, True]
    assert [bool(row["train/g_adversarial"]) for row in log.rows()] == [False, False, True, True]


def test_each_player_moves_only_its_own_weights(make_stage):
    """A zero learning rate for one player: its weights stay, whatever the other's loss."""
    stage = make_stage()
    stage.manual_backward = lambda loss: loss.backward()
    stage.check_losses = lambda losses, batch: None
    networks = stage.networks
    d = torch.optim.SGD(networks.discriminator.parameters(), lr=0.1)
    g = torch.optim.SGD(networks.generator_parameters(), lr=0.0)
    stage.optimizers = lambda: [g, d]
    before = {name: p.clone() for name, p in networks.named_parameters()}
    stage.update(random_batches(1)[0])
    moved = {name for name, p in networks.named_parameters() if not torch.equal(p, before[name])}
    assert moved and all(name.startswith("discriminator.") for name in moved)
    assert all(p.grad is None for p in networks.discriminator.parameters())  # none left over from the generator's pass


def test_nan_stops_with_the_step_the_pairs_and_the_batch(make_stage, fit, tmp_path):
    batches = random_batches(4)
    batches[2]["blurry"][0, 0, 0, 0] = float("nan")
    stage = make_stage()
    with pytest.raises(NanLossError, match=r"step 2.*v\.mp4@0\+7"):
        fit(stage, batches)
    saved = torch.load(tmp_path / "nan" / "step_0000002_rank_0.pt", weights_only=True)
    assert torch.isnan(saved["blurry"]).sum() == 1
    report = json.loads((tmp_path / "nan" / "step_0000002_rank_0.json").read_text())
    assert report["step"] == 2 and [pair["start"] for pair in report["pairs"]] == [0, 1]
    assert all(torch.isfinite(p).all() for p in stage.networks.generator.parameters())


def test_time_limit_stops_without_touching_the_schedule(make_stage, fit):
    stage = make_stage(epochs=3)
    fit(stage, random_batches(4), callbacks=[TimeLimit(deadline=time.monotonic())])
    assert stage.generator_step == 1
    assert stage.all_optimizers[0].param_groups[0]["lr"] == pytest.approx(2e-4 * decayed_rate(1, 12, 0.5))


@pytest.mark.parametrize("kind", ("adversarial", "hourglass"))
def test_state_round_trip(make_stage, fit, tmp_path, kind):
    """Save after two steps, load into a fresh stage: the third step is the same to the bit."""
    batches = random_batches(3)
    first = make_stage(kind, batches=3, ema=0.9 if kind == "adversarial" else None)
    states = {}

    class Saver(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            if index == 1:
                save_checkpoint(tmp_path / "two.ckpt", module.run_state() | {"rng": gather_rng_states(trainer)})
            states[index] = copies(module)

    fit(first, batches, callbacks=[Saver()])
    second = make_stage(kind, batches=3, ema=0.9 if kind == "adversarial" else None)
    loaded = load_checkpoint(tmp_path / "two.ckpt")
    second.resumed_from = loaded
    second.networks.load_state_dict(loaded["networks"])
    if kind == "adversarial":
        second.average.load_state_dict(loaded["average"])
    second.generator_step, second.position = loaded["generator_step"], loaded["position"]
    torch.manual_seed(12345)  # must not matter: the states are put back
    fit(second, batches[2:])
    assert not changed(states[2], second)
    if kind == "adversarial":
        for name, value in first.average.average.items():
            assert torch.equal(value, second.average.average[name])


def test_validation_scores(make_stage, fit):
    stage = make_stage(epochs=1)
    val = random_batches(2, seed=1)
    fit(stage, random_batches(4), val=val)
    assert len(stage.validation_rows) == 4
    assert set(stage.validation_scores) == {
        f"val/{name}{method}" for name in ("psnr", "ssim") for method in ("", "_blurred", "_hourglass")
    }
    quantised, sharp = ((255 * val[0][name][0]).round() / 255 for name in ("blurry", "sharp"))
    expected = -10 * torch.log10((quantised - sharp).square().mean())
    assert stage.validation_rows[0]["blurred_psnr"] == pytest.approx(float(expected), abs=1e-3)
    for method, label in (("blurred", "_blurred"), ("hourglass", "_hourglass"), ("deblurred", "")):
        for name in ("psnr", "ssim"):
            mean = np.mean([row[f"{method}_{name}"] for row in stage.validation_rows])
            assert stage.validation_scores[f"val/{name}{label}"] == pytest.approx(mean, abs=1e-6)
    assert not any("metric" in key for key in stage.state_dict())
    stage.on_validation_epoch_start()  # an epoch starts from nothing
    assert stage.validation_rows == [] and not any(m.update_called for c in stage.metrics.values() for m in c.values())


def test_evaluating_shows_the_average_and_puts_everything_back(make_stage, fit):
    stage = make_stage(epochs=2, ema=0.9)
    fit(stage, random_batches(4))
    stage.train()
    modes = {module: module.training for module in stage.modules()}
    before = copies(stage.networks.generator)
    with stage.evaluating():
        assert not stage.networks.generator.training and not torch.is_grad_enabled()
        inside = copies(stage.networks.generator)
        assert all(torch.equal(inside[name], value) for name, value in stage.average.average.items())
    assert changed(inside, stage.networks.generator)
    assert not changed(before, stage.networks.generator)
    assert modes == {module: module.training for module in stage.modules()}


def test_images_do_not_depend_on_the_batch(make_stage):
    stage = make_stage()
    (batch,) = random_batches(1, batch=3)
    together = stage.images(batch["blurry"])["deblurred"]
    alone = stage.images(batch["blurry"][1:2])["deblurred"]
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=0)
