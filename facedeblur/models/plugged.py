"""Networks of the user's own, in the places of the paper's; images are (B, C, H, W) in [-1, 1].

    model.plugins.generator       Name(channels, **options): a module, images of 3 or 6 channels -> (B, 3, H, W); the
                                  blurry image is in the first 3, the first step's output in the others
    model.plugins.pair            Name(**options): has `encoder(channels)`, a module from images to feature maps, and
                                  `decoder`, a module (features, stream) -> (B, 3, H, W), which both streams share
    model.plugins.first_step      Name(**options): a module with `restore(image)` -> same shape; called, it gives a list
                                  of such images, each of which is compared with the sharp one
    model.plugins.discriminator   Name(**options): a module (candidate, blurry) -> (logits, features)

They are imported because a configuration of this command names them, or a flag does (`facedeblur.plugins.trust`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from facedeblur.models.generator import residual_base
from facedeblur.models.settings import ModelSettings
from facedeblur.plugins import TARGET, PluginError, make, require, require_type, trusted_target


class PluggedGenerator(nn.Module):
    """G_bl as one network. With `global_residual` its output is a correction, as DeblurGenerator's."""

    def __init__(self, network: nn.Module, global_residual: bool = False, residual_on: str = "blurry") -> None:
        super().__init__()
        self.network, self.global_residual, self.residual_on = network, global_residual, residual_on

    def forward(self, image: Tensor) -> Tensor:
        restored = self.network(image)
        return (residual_base(image, self.residual_on) + restored).clamp(-1, 1) if self.global_residual else restored


def generator(settings: ModelSettings, channels: int) -> PluggedGenerator:
    """The generator of `model.plugins.generator` for images of `channels` channels."""
    network = _made(settings, "generator", channels)
    return PluggedGenerator(_module(network, "generator"), settings.global_residual, settings.residual_on)


def pair(settings: ModelSettings) -> tuple[Callable[[int], nn.Module], nn.Module]:
    """The encoder, to be made for a number of channels, and the decoder of `model.plugins.pair`."""
    key = "model.plugins.pair"
    made = _made(settings, "pair")
    require(made, key, "a pair of encoder(channels) and decoder", ("encoder", "decoder"))
    return (lambda channels: _module(made.encoder(channels), "pair.encoder")), _module(made.decoder, "pair.decoder")


def first_step(settings: ModelSettings) -> nn.Module:
    """The first step of `model.plugins.first_step`."""
    made = _module(_made(settings, "first_step"), "first_step")
    require(made, "model.plugins.first_step", "a first step", ("restore",))
    return made


def discriminator(settings: ModelSettings) -> nn.Module:
    """The discriminator of `model.plugins.discriminator`."""
    return _module(_made(settings, "discriminator"), "discriminator")


@torch.no_grad()
def try_networks(networks: nn.Module, settings: ModelSettings) -> None:
    """One pass of random images through the networks of the user's own.

    Raises PluginError, one line that says what was expected, for wrong shapes, values that are not finite, and whatever
    the code throws. Modes and random states are left as they are.
    """
    modes = {module: module.training for module in networks.modules()}
    with torch.random.fork_rng(devices=[]):
        blurry = torch.rand(2, 3, settings.image_size, settings.image_size) * 2 - 1
        try:
            networks.eval()
            condition = _tried(settings, "first_step", lambda: networks.condition(blurry))
            if "first_step" in settings.plugins and networks.two_step is not None:
                _check_images("first_step", settings, condition[:, 3:], blurry)
            for role in ("generator", "pair"):
                if role in settings.plugins:
                    output = _tried(settings, role, lambda: networks.generator(condition))
                    _check_images(role, settings, output, blurry)
            if "pair" in settings.plugins and networks.identity is not None:
                _check_images("pair", settings, _tried(settings, "pair", lambda: networks.identity(blurry)), blurry)
            if "discriminator" in settings.plugins:
                found = _tried(settings, "discriminator", lambda: networks.discriminator(blurry, blurry))
                if not (isinstance(found, tuple) and len(found) == 2 and all(isinstance(f, Tensor) for f in found)):
                    raise PluginError(f"{_named(settings, 'discriminator')}: must give (logits, features), two tensors")
        finally:
            for module, training in modes.items():
                module.training = training


def _made(settings: ModelSettings, role: str, *arguments: Any) -> Any:
    plugin = settings.plugins[role]
    key = f"model.plugins.{role}"
    return make({**plugin, TARGET: trusted_target(plugin[TARGET], key)}, key, *arguments)


def _module(made: object, role: str) -> nn.Module:
    return require_type(made, f"model.plugins.{role}", nn.Module, "torch.nn.Module")


def _tried(settings: ModelSettings, role: str, run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as error:
        if role not in settings.plugins:
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise PluginError(f"{_named(settings, role)}: {type(error).__name__}: {reason}") from error


def _check_images(role: str, settings: ModelSettings, found: object, wanted: Tensor) -> None:
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if shape != tuple(wanted.shape):
        raise PluginError(
            f"{_named(settings, role)}: must give images {tuple(wanted.shape)} for such a batch, got {shape}"
        )
    if not torch.isfinite(found).all():
        raise PluginError(f"{_named(settings, role)}: gives values that are not finite for images in [-1, 1]")


def _named(settings: ModelSettings, role: str) -> str:
    return f"model.plugins.{role}: {settings.plugins[role][TARGET]}"
