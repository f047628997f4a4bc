"""Metrics of the user's own over restored images, one column of the rows each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from facedeblur.metrics.own import OwnMetric, checked, own_metrics
from facedeblur.plugins import TARGET, as_plugins, source_of

PIECE = 16  # images at a time


@dataclass(frozen=True)
class OwnMetrics:
    """`metrics`: name -> function of images and sharp ones, (B, 3, H, W) in [0, 1]. `described`: for the protocol."""

    metrics: Mapping[str, OwnMetric]
    described: Mapping[str, Any]

    @classmethod
    def of(cls, plugins: Mapping[str, Mapping[str, Any]]) -> OwnMetrics:
        """Those of a configuration. Raises PluginError."""
        described = {name: plugin | source_of(plugin[TARGET], f"metrics.{name}") for name, plugin in plugins.items()}
        return cls(own_metrics(plugins, "metrics"), described)

    @classmethod
    def of_program(cls, given: Mapping[str, Any], refused: Sequence[str], fingerprint: Callable) -> OwnMetrics:
        """Those of a program: targets, or functions, whose code `fingerprint` distinguishes. Raises PluginError."""
        functions = {name: metric for name, metric in given.items() if callable(metric)}
        as_plugins(dict.fromkeys(functions, "a.b"), "metrics", refused=refused)  # their names
        named = cls.of(as_plugins({n: m for n, m in given.items() if n not in functions}, "metrics", refused=refused))
        mine = {name: checked(metric, f"metrics.{name}") for name, metric in functions.items()}
        described = {name: {"fingerprint": fingerprint(metric)} for name, metric in functions.items()}
        return cls({**named.metrics, **mine}, {**named.described, **described})

    def scores(self, restored: Sequence[np.ndarray], sharp: Sequence[np.ndarray]) -> list[dict[str, float]]:
        """name -> value for every image, RGB uint8 (H, W, 3). Raises PluginError for a metric that gives else."""
        found: dict[str, list[float]] = {name: [] for name in self.metrics}
        for first in range(0, len(sharp), PIECE) if self.metrics else ():
            images, references = (as_batch(part[first : first + PIECE]) for part in (restored, sharp))
            for name, metric in self.metrics.items():
                found[name] += metric(images, references).tolist()
        return [{name: values[i] for name, values in found.items()} for i in range(len(sharp))]

    def try_out(self, size: int) -> None:
        """Whether they work, on two random images: an evaluation is long. Raises PluginError."""
        rng = np.random.default_rng(0)
        images = [rng.integers(0, 256, (size, size, 3), np.uint8) for _ in range(2)]
        self.scores(images, images[::-1])


def as_batch(images: Sequence[np.ndarray]) -> torch.Tensor:
    """Images, uint8 (H, W, 3), as (B, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
