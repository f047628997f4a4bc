"""The networks of section 3.2 and Table 3, and the Deblurrer that wraps them. Importing the package loads no torch."""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "LossWeights": "settings",
    "ModelSettings": "settings",
    "Networks": "build",
    "build_hourglass": "build",
    "build_networks": "build",
    "Blurred": "deblurrer",
    "Deblurrer": "deblurrer",
    "HourglassDeblurrer": "deblurrer",
    "NetworkDeblurrer": "deblurrer",
    "TrainedRun": "checkpoint",
    "load_run": "checkpoint",
    "Weights": "weights",
    "load_weights": "weights",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
