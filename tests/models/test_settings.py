from __future__ import annotations

import subprocess
import sys

import pytest

from facedeblur.models.settings import LossWeights, ModelSettings


def test_defaults_are_the_papers():
    settings, weights = ModelSettings(), LossWeights()
    assert (settings.image_size, settings.base_width, settings.norm_order) == (256, 64, "conv_relu_bn")
    assert settings.keep[:3] == (0.5, 0.5, 0.5) and set(settings.keep[3:]) == {1.0}
    assert settings.identity and settings.conditioned and not settings.global_residual
    assert weights.content_image == weights.content_gradient == weights.reconstruction == 100
    assert (weights.projection, weights.adversarial) == (8, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 192),
        ("image_size", 0),
        ("image_size", 256.0),
        ("base_width", 0),
        ("base_width", True),
        ("norm", "layer"),
        ("norm_order", "bn_conv_relu"),
        ("shortcut", "identity"),
        ("unet_skips", (("E2", "F6"),)),
        ("unet_skips", (("E8", "F1"),)),
        ("unet_skips", (("E2", "F7"), ("E2", "F7"))),
        ("keep", (0.5,) * 8),
        ("keep", (0.0,) * 7),
        ("hourglass_features", 63),
        ("hourglass_stacks", -1),
        ("hourglass_head", "nearest"),
        ("discriminator_width", 0),
        ("projection_on", "both"),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: must be .* got "):
        ModelSettings(**{field: value})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_weights_are_refused_by_name(value):
    with pytest.raises(ValueError, match="^projection: must be .* got "):
        LossWeights(projection=value)


def test_lists_from_yaml_become_tuples_and_settings_hashable():
    settings = ModelSettings(unet_skips=[["E1", "F8"], ["E3", "F6"]], keep=[1] * 7)
    assert settings.unet_skips == (("E1", "F8"), ("E3", "F6"))
    assert hash(settings) == hash(ModelSettings(unet_skips=(("E1", "F8"), ("E3", "F6")), keep=(1.0,) * 7))


@pytest.mark.parametrize(("changes", "conditioned"), [({}, True), ({"two_step": False}, False)])
def test_no_stacks_means_no_conditioning(changes, conditioned):
    assert ModelSettings(**changes).conditioned is conditioned
    assert not ModelSettings(hourglass_stacks=0, **changes).conditioned


def test_settings_need_no_torch():
    code = "import sys, facedeblur.models, facedeblur.models.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
