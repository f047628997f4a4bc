"""Metrics of the user's own: one value for each image, in validation and in evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from facedeblur.plugins import PluginError, function_of

OwnMetric = Callable[[Tensor, Tensor], Tensor]


def own_metrics(plugins: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, OwnMetric]:
    """The metrics that a configuration names under the key `where`; see `checked`. Raises PluginError."""
    return {
        name: checked(function_of(plugin, f"{where}.{name}"), f"{where}.{name}") for name, plugin in plugins.items()
    }


def checked(metric: Callable[[Tensor, Tensor], object], key: str) -> OwnMetric:
    """A metric of images and their sharp partners, (B, 3, H, W) in [0, 1], as a function that gives (B,) float32.

    It raises PluginError naming the key where the metric gives anything else, and for whatever it throws.
    """
    return partial(_scores, metric, key)


def _scores(metric: Callable[[Tensor, Tensor], object], key: str, images: Tensor, sharp: Tensor) -> Tensor:
    try:
        values = torch.as_tensor(metric(images, sharp)).detach().float().reshape(-1)
    except PluginError:
        raise
    except Exception as error:  # whatever the user's code may do
        reason = (str(error).strip().splitlines() or [""])[0]
        raise PluginError(f"{key}: {type(error).__name__}: {reason}") from error
    if len(values) != len(images):
        raise PluginError(f"{key}: must give one value for each of {len(images)} images, got {len(values)}")
    return values
