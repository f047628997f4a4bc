import numpy as np
import pytest

from facedeblur.blur.trajectory import (
    TrajectorySettings,
    rasterise,
    trajectories,
    trajectory_kernel,
    trajectory_kernel_at,
)

SETTINGS = TrajectorySettings(bank=40)


def paths(count=30, length=60.0, expl=0.005, steps=500, seed=0):
    return trajectories(np.random.default_rng(seed), np.full(count, length), np.full(count, expl), steps)


def test_arc_length_is_the_maximal_length():
    lengths = np.linspace(5, 60, 8)
    found = trajectories(np.random.default_rng(0), lengths, np.full(8, 0.01), 500)
    np.testing.assert_allclose(np.abs(np.diff(found, axis=1)).sum(axis=1), lengths, rtol=1e-9)


def test_the_speed_is_constant():
    steps = np.abs(np.diff(paths(), axis=1))
    np.testing.assert_allclose(steps, 60.0 / 499, rtol=1e-9)


def test_without_anxiety_the_camera_moves_straight():
    found = paths(count=5, expl=0.0)
    np.testing.assert_allclose(np.abs(found[:, -1] - found[:, 0]), 60.0, rtol=1e-9)


def test_more_anxiety_bends_the_path():
    calm, nervous = (np.abs(paths(count=200, expl=e)[:, -1]).mean() for e in (0.001, 0.01))
    assert nervous < 0.7 * calm


@pytest.mark.parametrize("size", [64, 128, 256])
def test_every_kernel_is_a_kernel(size):
    for seed in range(SETTINGS.bank):
        kernel = trajectory_kernel(seed, size, SETTINGS)
        assert kernel.dtype == np.float32
        assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1
        assert kernel.min() >= 0
        assert kernel.sum(dtype=float) == pytest.approx(1.0, abs=1e-5)
        border = np.concatenate([kernel[0], kernel[-1], kernel[:, 0], kernel[:, -1]])
        assert border.max() > 0, "cropped to its support"
        offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
        assert (kernel.sum(0) * offsets).sum() == pytest.approx(0.0, abs=1e-3)


def test_support_is_bounded_by_the_arc_length():
    for seed in range(SETTINGS.bank):
        assert trajectory_kernel(seed, 256, SETTINGS).shape[0] <= 2 * 60 + 3


def spread(kernel):
    """Standard deviation of the kernel's mass around its centre, in pixels."""
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    return float(np.sqrt((kernel.sum(0) * offsets**2).sum() + (kernel.sum(1) * offsets**2).sum()))


def test_the_extent_scales_with_the_image():
    ratios = [
        spread(trajectory_kernel(seed, 512, SETTINGS)) / spread(trajectory_kernel(seed, 256, SETTINGS))
        for seed in range(SETTINGS.bank)
        if spread(trajectory_kernel(seed, 256, SETTINGS)) > 4  # beyond it the grid no longer matters
    ]
    assert len(ratios) > 10
    np.testing.assert_allclose(ratios, 2.0, rtol=0.05)


def test_exposure_shortens_the_kernel():
    short, long = (TrajectorySettings(bank=40, exposures=(e,)) for e in (0.1, 1.0))
    spreads = {e: [spread(trajectory_kernel(seed, 256, s)) for seed in range(40)] for e, s in ((0.1, short), (1, long))}
    assert max(spreads[0.1]) <= 6 / np.sqrt(12) + 0.6  # at most a straight line of 6 pixels, and the grid
    assert np.mean(spreads[1]) > 3 * np.mean(spreads[0.1])


def test_seeds_decide_the_kernel():
    first = trajectory_kernel(3, 128, SETTINGS, seed=1)
    again = trajectory_kernel(3, 128, TrajectorySettings(bank=40), seed=1)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, trajectory_kernel(3 + 40, 128, SETTINGS, seed=1))
    others = [trajectory_kernel(3, 128, SETTINGS, seed=2), trajectory_kernel(4, 128, SETTINGS, seed=1)]
    assert all(other.shape != first.shape or not np.allclose(other, first) for other in others)


def test_kernels_vary():
    kernels = {trajectory_kernel(seed, 256, SETTINGS).tobytes() for seed in range(40)}
    assert len(kernels) == 40


def test_golden_kernel():
    kernel = trajectory_kernel(0, 256, SETTINGS, seed=7)
    assert kernel.shape == (19, 19)
    assert spread(kernel) == pytest.approx(4.674309, rel=1e-4)


def test_rasterise_scales_coordinates():
    line = np.linspace(0, 20, 400).astype(complex)
    assert spread(rasterise(line)) == pytest.approx(20 / np.sqrt(12), rel=0.02)
    assert spread(rasterise(line, 0.5)) == pytest.approx(10 / np.sqrt(12), rel=0.02)


@pytest.mark.parametrize(
    "field, value",
    [
        ("max_length", 0),
        ("expl", ()),
        ("expl", (-1.0,)),
        ("exposures", (0.0,)),
        ("exposures", (1.5,)),
        ("steps", 1),
        ("bank", 0),
    ],
)
def test_impossible_settings_name_the_field(field, value):
    with pytest.raises(ValueError, match=f"{field}: .* got"):
        TrajectorySettings(**{field: value})


def test_a_kernel_at_any_size_is_that_of_the_bank():
    settings = TrajectorySettings(bank=20)
    for kernel in (0, 7, 19, 27):
        for size in (64, 128, 333):
            expected = trajectory_kernel(kernel, size, settings, seed=3)
            assert np.array_equal(trajectory_kernel_at(kernel, size, settings, seed=3), expected)
