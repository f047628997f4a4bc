from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facedeblur.losses import (
    DiscriminatorLoss,
    GeneratorLoss,
    adversarial_loss,
    charbonnier_loss,
    content_gradient_loss,
    content_image_loss,
    discriminator_loss,
    fourier_loss,
    log_mse_loss,
    projection_loss,
    reconstruction_loss,
)
from facedeblur.models.settings import LossWeights


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tensor(array):
    return torch.from_numpy(array)


def test_adversarial_losses_are_the_log_probabilities(rng, device):
    real, fake = rng.normal(size=(2, 3, 1, 4, 4)) * 3
    probability_real, probability_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    logits_real, logits_fake = tensor(real).to(device), tensor(fake).to(device)
    assert adversarial_loss(logits_fake).item() == pytest.approx(-np.log(probability_fake).mean())
    expected = -0.5 * (np.log(probability_real).mean() + np.log(1 - probability_fake).mean())
    assert discriminator_loss(logits_real, logits_fake).item() == pytest.approx(expected)


def test_undecided_discriminator_costs_log_2():
    undecided = torch.zeros(2, 1, 4, 4)
    assert adversarial_loss(undecided).item() == pytest.approx(math.log(2))
    assert discriminator_loss(undecided, undecided).item() == pytest.approx(math.log(2))


def test_generator_learns_even_when_the_discriminator_is_sure():
    logits = torch.tensor([-200.0], requires_grad=True)
    loss = adversarial_loss(logits)
    loss.backward()
    assert loss.item() == pytest.approx(200) and logits.grad.item() == pytest.approx(-1)


@pytest.mark.parametrize("loss", [content_image_loss, reconstruction_loss, projection_loss])
def test_l1_losses_are_means_of_absolute_differences(rng, loss):
    a, b = rng.normal(size=(2, 2, 3, 5, 7))
    assert loss(tensor(a), tensor(b)).item() == pytest.approx(np.abs(a - b).mean())
    assert loss(tensor(a), tensor(a)).item() == 0


def test_gradient_loss_compares_forward_differences(rng):
    a, b = rng.normal(size=(2, 2, 3, 5, 7))
    along_x = np.abs((a[..., 1:] - a[..., :-1]) - (b[..., 1:] - b[..., :-1])).mean()
    along_y = np.abs((a[..., 1:, :] - a[..., :-1, :]) - (b[..., 1:, :] - b[..., :-1, :])).mean()
    assert content_gradient_loss(tensor(a), tensor(b)).item() == pytest.approx((along_x + along_y) / 2)


def test_gradient_loss_of_a_ramp_is_half_its_slope_and_ignores_brightness():
    sharp = torch.rand(2, 3, 16, 16)
    ramp = 0.01 * torch.arange(16.0)
    assert content_gradient_loss(sharp + ramp, sharp).item() == pytest.approx(0.005, abs=1e-6)
    assert content_gradient_loss(sharp + ramp[:, None], sharp).item() == pytest.approx(0.005, abs=1e-6)
    assert content_gradient_loss(sharp + 0.3, sharp).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [content_image_loss, content_gradient_loss, reconstruction_loss, projection_loss, discriminator_loss]
)
def test_gradients_are_right(loss):
    torch.manual_seed(0)
    a = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=loss is not projection_loss)
    assert torch.autograd.gradcheck(loss, (a, b))
    assert torch.autograd.gradcheck(adversarial_loss, (a,))


def test_real_features_get_a_gradient_only_for_the_discriminator():
    fake, real = torch.randn(2, 4, 3, 3, requires_grad=True), torch.randn(2, 4, 3, 3, requires_grad=True)
    projection_loss(fake, real).backward()
    assert fake.grad is not None and real.grad is None
    projection_loss(fake, real, detach_real=False).backward()
    assert real.grad is not None


def test_bfloat16_is_computed_in_float32():
    a, b = torch.randn(2, 2, 3, 64, 64)
    low, high = a.bfloat16(), a.bfloat16().float()
    for loss in (content_image_loss, content_gradient_loss, discriminator_loss):
        assert loss(low, b).dtype == torch.float32
        torch.testing.assert_close(loss(low, b), loss(high, b))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(adversarial_loss(low), adversarial_loss(high))


@pytest.mark.parametrize("loss", [content_image_loss, content_gradient_loss, reconstruction_loss, projection_loss])
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\) and \(1, 3, 8, 8\)"):
        loss(torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8))


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    output, sharp, reconstruction = torch.rand(3, 2, 3, 8, 8)
    features = torch.randn(2, 2, 4, 3, 3)
    return {
        "output": output.requires_grad_(),
        "sharp": sharp,
        "fake_logits": torch.randn(2, 1, 2, 2),
        "fake_features": features[0],
        "real_features": features[1],
        "reconstruction": reconstruction,
    }


def test_total_is_equation_6(inputs):
    terms = GeneratorLoss()(**inputs)
    assert set(terms) == {
        "content_image", "content_gradient", "projection", "reconstruction", "adversarial", "total"
    }  # fmt: skip
    expected = (
        adversarial_loss(inputs["fake_logits"])
        + 100 * content_image_loss(inputs["output"], inputs["sharp"])
        + 100 * content_gradient_loss(inputs["output"], inputs["sharp"])
        + 8 * projection_loss(inputs["fake_features"], inputs["real_features"])
        + 100 * reconstruction_loss(inputs["reconstruction"], inputs["sharp"])
    )
    torch.testing.assert_close(terms["total"], expected)
    assert terms["content_image"].item() == pytest.approx((inputs["output"] - inputs["sharp"]).abs().mean().item())
    assert [name for name, term in terms.items() if term.requires_grad] == ["total"]


def test_terms_without_inputs_or_weight_are_left_out(inputs):
    alone = GeneratorLoss()(inputs["output"], inputs["sharp"])
    assert set(alone) == {"content_image", "content_gradient", "total"}
    unweighted = GeneratorLoss(LossWeights(projection=0, reconstruction=0, content_gradient=0))(**inputs)
    assert set(unweighted) == {"content_image", "adversarial", "total"}


def test_weights_are_applied(inputs):
    weights = LossWeights(content_image=2, content_gradient=3, projection=5, reconstruction=7, adversarial=11)
    terms = GeneratorLoss(weights)(**inputs)
    expected = sum(getattr(weights, name) * term for name, term in terms.items() if name != "total")
    torch.testing.assert_close(terms["total"], expected)


def test_discriminator_loss_with_rocgans_projection():
    real, fake = torch.randn(2, 2, 1, 2, 2)
    real_features, fake_features = torch.randn(2, 2, 4, 3, 3, requires_grad=True)
    plain = DiscriminatorLoss()(real, fake)
    torch.testing.assert_close(plain, {"adversarial": plain["total"], "total": discriminator_loss(real, fake)})
    terms = DiscriminatorLoss()(real, fake, real_features=real_features, fake_features=fake_features)
    torch.testing.assert_close(terms["total"], plain["total"] + 8 * (real_features - fake_features).abs().mean())


def test_charbonnier_is_l1_far_from_zero_and_smooth_at_zero():
    sharp = torch.zeros(1, 3, 4, 4)
    assert charbonnier_loss(sharp + 0.5, sharp).item() == pytest.approx(math.sqrt(0.25 + 1e-6))
    equal = torch.zeros(1, 3, 4, 4, requires_grad=True)
    charbonnier_loss(equal, sharp).backward()
    assert torch.isfinite(equal.grad).all() and not equal.grad.any()


def test_log_mse_is_the_psnr_of_each_image():
    sharp = torch.zeros(2, 3, 4, 4)
    output = torch.stack([sharp[0] + 0.1, sharp[1] + 0.5])
    truth = (math.log10(0.01 + 1e-4) + math.log10(0.25 + 1e-4)) / 2
    assert log_mse_loss(output, sharp).item() == pytest.approx(truth, rel=1e-5)


def test_fourier_loss_against_numpy(rng):
    a, b = rng.standard_normal((2, 2, 3, 8, 6)).astype(np.float32)
    spectrum = np.fft.rfft2(a - b)
    truth = 0.5 * (np.abs(spectrum.real).mean() + np.abs(spectrum.imag).mean())
    assert fourier_loss(tensor(a), tensor(b)).item() == pytest.approx(truth, rel=1e-4)
    half = fourier_loss(tensor(a).bfloat16(), tensor(b).bfloat16())  # torch has no spectra of bfloat16
    assert half.dtype == torch.float32 and half.item() == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("content, loss", [("charbonnier", charbonnier_loss), ("log_mse", log_mse_loss)])
def test_the_first_term_is_measured_as_asked_for(rng, content, loss):
    output, sharp = (tensor(rng.random((2, 3, 8, 8)).astype(np.float32)) for _ in range(2))
    terms = GeneratorLoss(LossWeights(content=content, fourier=5.0, content_gradient=0.0))(output, sharp)
    torch.testing.assert_close(terms["content_image"], loss(output, sharp))
    torch.testing.assert_close(terms["total"], 100 * loss(output, sharp) + 5 * fourier_loss(output, sharp))
    with pytest.raises(ValueError, match="content: must be one of l1, charbonnier, log_mse"):
        LossWeights(content="l2")
