"""The test-time network, accelerated, against plain eager float32 in PyTorch's default layout."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from benchmarks.timing import paired, provenance, ratio_line
from facedeblur.models.build import build_networks
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.devices import native_bf16
from facedeblur.models.fast import accelerated
from facedeblur.models.registry import weight_names
from facedeblur.models.settings import ModelSettings
from facedeblur.models.weights import load_weights

# conf/scale/small.yaml
SMALL = ModelSettings(128, base_width=32, hourglass_features=128, hourglass_stacks=1, identity=False)
BATCH, CALLS = 8, 4


def report(rounds: int, weights: str | None = None, compiled: bool = False) -> Iterator[str]:
    """Lines with images per second of the accelerated network over those of the plain one.

    `weights`: a name or a file; None: the weights that ship, and where there are none the networks of scale=small.
    """
    weights = weights or next(reversed(weight_names()), None)
    plain, size = _plain(weights)
    name = weights or "scale=small, untrained"
    images = torch.rand(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
    turns = [("float32", accelerated(plain, "32"))]
    if native_bf16("cpu"):
        turns.append(("bf16", accelerated(plain, "bf16")))
    if compiled:
        turns.append(("auto, compiled", accelerated(plain, "auto", compiled=True)))
    for title, fast in turns:
        theirs, ours = paired(lambda: _run(plain, images), lambda fast=fast: _run(fast, images), rounds)
        yield ratio_line(f"deblurring, {title} / eager float32 ({name})", theirs, ours, "at least 1.5 with auto")


def _run(deblurrer: NetworkDeblurrer, images: torch.Tensor) -> None:
    for _ in range(CALLS):
        deblurrer(images)


def _plain(weights: str | None) -> tuple[NetworkDeblurrer, int]:
    if weights is None:
        torch.manual_seed(0)
        networks = build_networks(SMALL)
        return NetworkDeblurrer(networks.generator, networks.hourglass), SMALL.image_size
    loaded = load_weights(weights)
    return NetworkDeblurrer(loaded.generator, loaded.hourglass), loaded.settings.image_size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__)
    parser.add_argument("weights", nargs="?", help="a name or a file (default: what ships)")
    parser.add_argument("--compiled", action="store_true", help="with torch.compile as well, which takes minutes")
    parser.add_argument("--rounds", type=int, default=5, help="paired turns per ratio")
    arguments = parser.parse_args()
    print(provenance())
    for text in report(arguments.rounds, arguments.weights, arguments.compiled):
        print(text, flush=True)
