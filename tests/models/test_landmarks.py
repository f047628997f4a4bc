from __future__ import annotations

import pytest
import torch

from facedeblur.models.landmarks import LandmarkHourglass, gaussian_maps, landmark_losses, mean_points


@pytest.fixture
def points():
    """Away from the border, where a heatmap is cut off; none at a cell's centre."""
    return 20 + 88 * torch.rand(3, 68, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("sigma", "limit"), [(2.0, 0.2), (4.0, 0.01), (6.0, 0.05)])
def test_the_mean_of_a_heatmap_is_its_point_to_a_fraction_of_a_pixel(points, sigma, limit):
    maps = gaussian_maps(points, 32, 32, sigma)
    assert maps.shape == (3, 68, 32, 32)
    torch.testing.assert_close(maps.sum((-2, -1)), torch.ones(3, 68))
    assert (mean_points(maps.log()) - points).norm(dim=-1).max() < limit  # cells are 4 pixels wide


def test_a_heatmap_of_one_cell_gives_that_cells_centre():
    logits = torch.full((1, 68, 16, 32), -1e4)
    logits[:, :, 5, 9] = 0
    torch.testing.assert_close(mean_points(logits)[0, 7], torch.tensor([4 * 9 + 1.5, 4 * 5 + 1.5]))


def test_means_are_exact_under_bfloat16(points):
    logits = gaussian_maps(points, 32, 32).log().clamp(min=-20).to(torch.bfloat16)
    assert mean_points(logits).dtype == torch.float32
    assert (mean_points(logits) - points).abs().mean() < 0.1


def test_heatmaps_move_with_the_image():
    """Cells are where they say they are: 64 pixels to the right are 64 pixels in every point."""
    torch.manual_seed(0)
    network = LandmarkHourglass(features=8, stacks=1).eval()
    tile = torch.rand(1, 3, 64, 64) * 2 - 1
    wide = tile.repeat(1, 1, 3, 5)  # repeats, so that far from the border the maps repeat, too
    maps = network(wide)[-1]
    torch.testing.assert_close(maps[..., 16:32, 24:40], maps[..., 16:32, 40:56], atol=1e-3, rtol=1e-3)
    assert network.locate(wide).shape == (1, 68, 2)


@pytest.mark.parametrize("stacks", [1, 2])
def test_every_stack_is_supervised(points, stacks):
    torch.manual_seed(0)
    network = LandmarkHourglass(features=8, stacks=stacks)
    logits = network(torch.rand(3, 3, 128, 128) * 2 - 1)
    assert [maps.shape for maps in logits] == [(3, 68, 32, 32)] * stacks
    losses = landmark_losses(logits, points)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_losses_are_least_at_the_truth(points):
    truth = gaussian_maps(points, 32, 32).clamp(min=1e-30)
    best = landmark_losses([truth.log()], points)
    assert best["points"] < 0.02
    entropy = -(truth * truth.log()).sum((-2, -1)).mean()
    torch.testing.assert_close(best["maps"], entropy)
    for moved in (points + 3, points - torch.tensor([5.0, 0.0])):
        other = landmark_losses([gaussian_maps(moved, 32, 32).clamp(min=1e-30).log()], points)
        assert other["maps"] > best["maps"] and other["points"] > 1
    both = landmark_losses([truth.log(), torch.zeros_like(truth)], points)
    alone = landmark_losses([torch.zeros_like(truth)], points)
    torch.testing.assert_close(both["points"], (best["points"] + alone["points"]) / 2)


def test_sides_that_do_not_close_are_refused():
    with pytest.raises(ValueError, match="multiples of 64"):
        LandmarkHourglass(features=4, stacks=1)(torch.zeros(1, 3, 96, 128))
