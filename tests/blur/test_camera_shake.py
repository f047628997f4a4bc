import numpy as np
import pytest

from facedeblur.blur.camera_shake import (
    CameraShakeSettings,
    camera_shake_kernel,
    measured_kernels,
    noise_level,
    transformed,
)

SETTINGS = CameraShakeSettings(bank=40)


def test_the_measured_kernels_are_the_published_hundred():
    kernels = measured_kernels()
    assert len(kernels) == 100
    sizes, counts = np.unique([kernel.shape[0] for kernel in kernels], return_counts=True)
    assert dict(zip(sizes.tolist(), counts.tolist(), strict=True)) == {
        5: 1,
        7: 2,
        9: 4,
        11: 4,
        13: 13,
        15: 14,
        17: 12,
        19: 8,
        21: 20,
        23: 9,
        25: 4,
        27: 6,
        29: 3,
    }
    for kernel in kernels:
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.min() >= 0
        assert kernel.sum(dtype=float) == pytest.approx(1.0, abs=1e-4)


def moments(kernel):
    """Covariance (2, 2) of the kernel's mass in x and y, in squared pixels."""
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    x, y = x - (kernel * x).sum(), y - (kernel * y).sum()
    return np.array([[(kernel * a * b).sum() for a in (x, y)] for b in (x, y)])


@pytest.mark.parametrize("scale, angle, flip", [(1.0, 0.0, False), (1.3, 0.7, False), (0.5, 2.0, True), (2.0, 0, True)])
def test_transformed_moves_the_mass_as_a_similarity_does(scale, angle, flip):
    for kernel in measured_kernels()[:20]:
        mirror = np.diag([-1.0 if flip else 1.0, 1.0])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        expected = scale**2 * rotation @ mirror @ moments(kernel) @ mirror @ rotation.T
        # the area of a pixel, as large as the scale makes it, and the grid of the new kernel add a little of their own
        found = moments(transformed(kernel, scale, angle, flip))
        np.testing.assert_allclose(found, expected, atol=0.3 + 0.1 * scale**2)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_every_kernel_is_a_kernel(size):
    for seed in range(SETTINGS.bank):
        kernel = camera_shake_kernel(seed, size, SETTINGS)
        assert kernel.dtype == np.float32
        assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
        assert kernel.min() >= 0
        assert kernel.sum(dtype=float) == pytest.approx(1.0, abs=1e-5)


def test_the_extent_scales_with_the_image():
    widths = {
        size: np.mean([np.sqrt(np.trace(moments(camera_shake_kernel(s, size, SETTINGS)))) for s in range(40)])
        for size in (256, 512)
    }
    assert widths[512] / widths[256] == pytest.approx(2.0, rel=0.1)


def test_shares_choose_the_source():
    only_measured = CameraShakeSettings(measured=1.0, scales=(1.0, 1.0), bank=10)
    spreads = {round(float(np.trace(moments(kernel))), 1) for kernel in measured_kernels()}
    for seed in range(10):
        found = float(np.trace(moments(camera_shake_kernel(seed, 256, only_measured))))
        assert min(abs(found - spread) for spread in spreads) < 0.6
    lines = CameraShakeSettings(measured=0.0, lengths=(12.0, 12.0), expl=(0.0,), bank=10)
    for seed in range(10):  # a straight path of 12 pixels at constant speed
        found = np.trace(moments(camera_shake_kernel(seed, 256, lines)))
        assert found == pytest.approx(12**2 / 12, abs=0.5)


def test_seeds_decide_kernel_and_noise():
    first = camera_shake_kernel(5, 128, SETTINGS, seed=1)
    np.testing.assert_array_equal(first, camera_shake_kernel(45, 128, CameraShakeSettings(bank=40), seed=1))
    assert noise_level(5, SETTINGS) == noise_level(5, SETTINGS)
    levels = [noise_level(seed, SETTINGS) for seed in range(200)]
    assert min(levels) >= 0 and max(levels) < 0.01
    assert np.mean(levels) == pytest.approx(0.005, abs=0.001)
    assert noise_level(5, CameraShakeSettings(noise=0.0)) == 0.0


def test_kernels_vary():
    assert len({camera_shake_kernel(seed, 256, SETTINGS).tobytes() for seed in range(40)}) == 40


@pytest.mark.parametrize(
    "field, value",
    [
        ("measured", 1.5),
        ("scales", (0.0, 1.0)),
        ("scales", (2.0, 1.0)),
        ("lengths", (5.0,)),
        ("expl", ()),
        ("noise", -0.1),
        ("noise", 5),
        ("bank", 0),
    ],
)
def test_impossible_settings_name_the_field(field, value):
    with pytest.raises(ValueError, match=f"{field}: .* got"):
        CameraShakeSettings(**{field: value})
