from __future__ import annotations

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch
import yaml

from facedeblur.errors import UsageError
from facedeblur.faces import judges
from facedeblur.faces.crop import CropBox
from facedeblur.faces.hourglass_localizer import MARGIN, HourglassLocalizer, localizer_crop
from facedeblur.faces.mirror import MIRRORED_POINT
from facedeblur.models.checkpoint import FORMAT, CheckpointError, load_run
from facedeblur.models.landmarks import LandmarkHourglass
from facedeblur.models.settings import ModelSettings

SETTINGS = ModelSettings(128, hourglass_features=8, hourglass_stacks=1)


class SpotFinder(torch.nn.Module):
    """In place of a network: every point is the centre of gravity of the red channel above black (-1)."""

    def locate(self, image: torch.Tensor) -> torch.Tensor:
        weight = image[:, 0] + 1
        x = (weight.sum(1) * torch.arange(image.shape[3])).sum(1) / weight.sum((1, 2))
        y = (weight.sum(2) * torch.arange(image.shape[2])).sum(1) / weight.sum((1, 2))
        return torch.stack([x, y], -1)[:, None].expand(-1, 68, 2)


def spot(width: int, height: int, x: float, y: float, sigma: float) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    bright = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(bright).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("width", "height", "x", "y", "side"), [(400, 300, 210.4, 140.7, 150), (90, 120, 40.2, 61.9, 40)]
)
def test_points_come_back_in_pixels_of_the_image(width, height, x, y, side):
    image = spot(width, height, x, y, sigma=side / 20)
    box = (x - 0.4 * side, y - 0.6 * side, x + 0.6 * side, y + 0.4 * side)
    points = HourglassLocalizer(SpotFinder(), 128).localize(image, box)
    assert points.shape == (68, 2) and points.dtype == np.float32
    assert np.abs(points - (x, y)).max() < 0.05 * side / 40


def test_a_box_over_the_edge_of_the_image_is_answered():
    image = spot(120, 90, 30, 40, sigma=4)
    points = HourglassLocalizer(SpotFinder(), 128).localize(image, (0, 10, 60, 70))
    assert np.abs(points - (30, 40)).max() < 0.5


def test_the_crop_is_centred_on_the_box():
    square = localizer_crop((100, 50, 180, 130))
    assert square == CropBox(76, 26, 128) and square.side == MARGIN * 80


def test_many_faces_are_found_as_each_alone():
    torch.manual_seed(0)
    localizer = HourglassLocalizer(LandmarkHourglass(8, 1), 128, batch=2)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (90 + 7 * i, 110, 3), np.uint8) for i in range(5)]
    boxes = [(10 + i, 12, 70 + 2 * i, 75 + i) for i in range(5)]
    together = localizer.localize_many(images, boxes)
    assert together.shape == (5, 68, 2)
    for image, box, points in zip(images, boxes, together, strict=True):
        np.testing.assert_allclose(localizer.localize(image, box), points, atol=1e-3)
    assert localizer.localize_many([], []).shape == (0, 68, 2)


def test_a_mirrored_image_has_mirrored_points():
    """The mean of both views makes this exact, whatever the network."""
    torch.manual_seed(0)
    localizer = HourglassLocalizer(LandmarkHourglass(8, 1), 128)
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8), (0, 0), 3)
    points, mirrored = localizer.in_crops(np.stack([image, image[:, ::-1]]))
    expected = points[MIRRORED_POINT] * (-1, 1) + (127, 0)
    np.testing.assert_allclose(mirrored, expected, atol=1e-3)


def write_run(folder, network, stage="localizer", average=None):
    (folder / "checkpoints").mkdir(parents=True)
    model = {**asdict(SETTINGS), "unet_skips": [list(pair) for pair in SETTINGS.unet_skips], "keep": [*SETTINGS.keep]}
    (folder / "config.yaml").write_text(yaml.safe_dump({"experiment": "localizer", "model": model}))
    state = {"format": FORMAT, "stage": stage, "generator_step": 7, "networks": network.state_dict()}
    torch.save(state | {"average": average}, folder / "checkpoints" / "last.ckpt")
    return folder


def test_a_run_folder_gives_its_moving_average(tmp_path, monkeypatch):
    loads = []
    original = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: loads.append(k) or original(*a, **k))
    torch.manual_seed(0)
    network, averaged = LandmarkHourglass(8, 1).eval(), LandmarkHourglass(8, 1).eval()
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    box = (20, 20, 80, 80)
    for name, average, truth in (("last", None, network), ("average", {"average": averaged.state_dict()}, averaged)):
        folder = write_run(tmp_path / name, network, average=average)
        for path in (folder, folder / "checkpoints" / "last.ckpt"):
            found = HourglassLocalizer.load(path).localize(image, box)
            np.testing.assert_array_equal(found, HourglassLocalizer(truth, 128).localize(image, box))
    assert all(keywords["weights_only"] for keywords in loads)


def test_runs_are_not_mistaken_for_each_other(tmp_path):
    network = LandmarkHourglass(8, 1)
    with pytest.raises(CheckpointError, match="holds the hourglass stage, not a localiser"):
        HourglassLocalizer.load(write_run(tmp_path / "hourglass", network, stage="hourglass"))
    folder = write_run(tmp_path / "localizer", network)
    with pytest.raises(CheckpointError, match="holds a localiser"):
        load_run(folder)
    wider = write_run(tmp_path / "wider", LandmarkHourglass(16, 1))
    with pytest.raises(CheckpointError, match="of another architecture"):
        HourglassLocalizer.load(wider)


def test_a_run_folder_is_a_judges_name(tmp_path):
    folder = write_run(tmp_path / "run", LandmarkHourglass(8, 1))
    assert isinstance(judges.localizer(str(folder)), HourglassLocalizer)
    with pytest.raises(UsageError, match="run folder"):
        judges.localizer(str(tmp_path))
