"""The patch network: parameters counted by hand, the Fourier basis, filters that copy and blur, averaging in loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from facedeblur.models.chakrabarti16 import (
    BANDS,
    CENTRE,
    PATCH,
    PatchNet,
    fourier_basis,
    neural_average,
    patch_loss,
)


@pytest.fixture(scope="module")
def network() -> PatchNet:
    torch.manual_seed(0)
    return PatchNet(units=4).eval()


def predicting(network: PatchNet, values: torch.Tensor) -> PatchNet:
    """Makes the network predict one filter, (2112, 2) coefficients, whatever it sees."""
    nn.init.zeros_(network.layers["output"].weight)
    network.layers["output"].bias.data = values.flatten()
    return network


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def test_parameters_of_the_paper():
    by_hand = linear(81 + 208, 1024) + 2 * linear(2 * 208, 1024) + 2 * linear(2048, 2048) + linear(4096, 4096)
    by_hand += 4 * linear(4096, 4096) + linear(4096, 4224)
    with torch.device("meta"):
        total = sum(p.numel() for p in PatchNet(1024).parameters())
    assert total == by_hand == 110_755_968


def test_the_bands_have_the_papers_numbers_of_coefficients(network):
    sizes = [getattr(network, f"band{n}").shape for n in (1, 2, 3, 4)]
    assert sizes == [(81, PATCH**2), (208, PATCH**2), (208, PATCH**2), (208, PATCH**2)]


def test_all_frequencies_are_an_orthonormal_basis_of_patches_of_mean_zero():
    basis = fourier_basis(9, -1, 9, torch.float64)
    assert basis.shape == (80, PATCH**2)
    middle = basis.unflatten(1, (PATCH, PATCH))[:, 28:37, 28:37].flatten(1)
    assert torch.allclose(middle @ middle.mT, torch.eye(80, dtype=torch.float64), atol=1e-12)
    assert middle.sum(1).abs().max() < 1e-12
    assert basis.square().sum() == pytest.approx(80)  # nothing outside the window


def test_coefficients_are_those_of_the_fft():
    patch = torch.rand(PATCH, PATCH, dtype=torch.float64)
    found = (fourier_basis(PATCH, 4, 8, torch.float64) @ patch.flatten()).unflatten(0, (-1, 2))
    spectrum = torch.fft.fft2(patch.roll((-(PATCH // 2), -(PATCH // 2)), (0, 1))) * math.sqrt(2) / PATCH
    wanted = [(u, v) for u in range(9) for v in range(-8, 9) if (u > 0 or v > 0) and 4 < max(u, abs(v)) <= 8]
    for (u, v), value in zip(wanted, found, strict=True):
        assert value[0].item() == pytest.approx(spectrum[v, u].real.item(), abs=1e-10)
        assert value[1].item() == pytest.approx(-spectrum[v, u].imag.item(), abs=1e-10)


def test_a_filter_of_ones_copies_the_patch(network):
    ones = torch.zeros(2112, 2)
    ones[:, 0] = 1
    patches = torch.rand(3, PATCH, PATCH)
    result = predicting(network, ones).deblurred(patches)
    assert torch.allclose(result, patches, atol=1e-4)
    assert torch.allclose(network(patches), patches[:, 16:49, 16:49], atol=1e-4)


def test_a_complex_filter_convolves(network):
    """The filter of a shift by one pixel to the right gives the patch, shifted periodically."""
    u, v = torch.tensor([(u, v) for u in range(33) for v in range(-32, 33) if u > 0 or v > 0]).mT
    phase = 2 * math.pi / PATCH * u.double()
    shift = torch.stack([phase.cos(), phase.sin()], dim=1).float()
    patches = torch.rand(1, PATCH, PATCH)
    result = predicting(network, shift).deblurred(patches)
    assert torch.allclose(result, patches.roll(1, -1), atol=1e-4)


def test_whitened_bands_have_the_identity_as_covariance():
    network = PatchNet(units=1)
    patches = torch.rand(600, PATCH, PATCH, generator=torch.Generator().manual_seed(0))
    network.whiten(patches)
    for number in range(1, len(BANDS) + 1):
        coefficients = (patches.flatten(1) - 0.5) @ getattr(network, f"band{number}").mT
        covariance = torch.cov(coefficients.mT)
        assert torch.allclose(covariance, torch.eye(len(covariance)), atol=2e-2)


@pytest.mark.parametrize("size", [(20, 13), (3, 1)])
def test_averaging_as_in_loops(network, size):
    torch.manual_seed(1)
    nn.init.normal_(network.layers["output"].weight, 0, 0.3)
    image, stride = torch.rand(1, 1, *size), 4
    places = [range(0, -(-(length - 1) // stride) * stride + 1, stride) for length in size]

    def mirrored(place: int, length: int) -> int:
        place %= 2 * length
        return place if place < length else 2 * length - 1 - place

    total, weights = torch.zeros(size), torch.zeros(size)
    hanning = [math.sin(math.pi * k / (CENTRE + 1)) ** 2 for k in range(1, CENTRE + 1)]
    for top in places[0]:
        rows = [mirrored(top + offset, size[0]) for offset in range(-32, 33)]
        for left in places[1]:
            columns = [mirrored(left + offset, size[1]) for offset in range(-32, 33)]
            middle = network(image[0, 0][rows][:, columns][None])[0].clamp(0, 1)
            for i in range(CENTRE):
                for j in range(CENTRE):
                    y, x = top + i - 16, left + j - 16
                    if 0 <= y < size[0] and 0 <= x < size[1]:
                        total[y, x] += hanning[i] * hanning[j] * middle[i, j].item()
                        weights[y, x] += hanning[i] * hanning[j]
    assert torch.allclose(neural_average(network, image, stride, batch=3)[0, 0], total / weights, atol=1e-5)


def test_an_image_does_not_depend_on_its_batch(network):
    images = torch.rand(2, 1, 16, 16)
    assert torch.allclose(neural_average(network, images, 8)[1:], neural_average(network, images[1:], 8), atol=1e-6)


def test_the_loss_limits_errors():
    error = torch.tensor([[0.5, -3.0]], requires_grad=True)
    loss = patch_loss(error, torch.zeros(1, 2))
    loss.backward()
    assert loss.item() == pytest.approx((0.25 + 1) / 2) and error.grad.tolist() == [[0.5, 0.0]]
