"""Metrics of the user's own are held to one value for each image."""

from __future__ import annotations

import pytest
import torch

from facedeblur.metrics.own import checked, own_metrics
from facedeblur.plugins import TARGET, PluginError

IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_whatever_holds_one_number_an_image_becomes_a_tensor():
    errors = (IMAGES - 0.5).abs().mean((1, 2, 3))
    for metric in (
        lambda a, b: (a - b).abs().mean((1, 2, 3)),
        lambda a, b: [float(x.sub(0.5).abs().mean()) for x in a],
    ):
        found = checked(metric, "k")(IMAGES, torch.full_like(IMAGES, 0.5))
        assert found.dtype == torch.float32 and torch.allclose(found, errors)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda a, b: 0.5, r"^k: must give one value for each of 3 images, got 1$"),
        (lambda a, b: 1 / 0, r"^k: ZeroDivisionError: division by zero$"),
        (lambda a, b: None, r"^k: "),
    ],
)
def test_anything_else_is_named(metric, message):
    with pytest.raises(PluginError, match=message):
        checked(metric, "k")(IMAGES, IMAGES)


def test_they_are_made_from_a_configuration(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def brightness(images, sharp, gain=1):\n    return gain * images.mean((1, 2, 3))\n"
    )
    plugin = {TARGET: f"{tmp_path / 'mine.py'}:brightness", "gain": 2}
    found = own_metrics({"bright": plugin}, "trainer.metrics")["bright"](IMAGES, IMAGES)
    assert torch.allclose(found, 2 * IMAGES.mean((1, 2, 3)))
