"""The compared networks at 128 pixels, float32, one core: seconds an image, against a bar, and of a batch of 32 to one.

Weights are drawn at random: they decide what comes out, not how long it takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.timing import provenance
from facedeblur.baselines.chakrabarti16 import Chakrabarti16
from facedeblur.baselines.networks import Kupyn17, Nafnet, Nah17
from facedeblur.models.chakrabarti16 import PatchNet
from facedeblur.models.deblurrer import Deblurrer
from facedeblur.models.kupyn17 import ResnetGenerator
from facedeblur.models.nafnet import NAFNet
from facedeblur.models.nah17 import MultiScaleNet

SIZE, BATCH = 128, 8
# class, its network, bar and goal in seconds an image
ROWS = {
    "nah17": (Nah17, MultiScaleNet, 3.0, 2.0),
    "kupyn17": (Kupyn17, ResnetGenerator, 0.5, 0.3),
    "nafnet": (Nafnet, NAFNet, None, None),
    "chakrabarti16": (Chakrabarti16, PatchNet, 15.0, 10.0),
}


def report(names: list[str] | None = None, size: int = BATCH) -> Iterator[str]:
    """A line for each row: seconds an image in a batch of `size`, alone, and the bar."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(size, 3, 16, 16, generator=generator)
    images = torch.nn.functional.interpolate(smooth, SIZE, mode="bicubic").clamp(0, 1)
    for name in names or ROWS:
        _, _, bar, goal = ROWS[name]
        deblurrer = _made(name)
        batch = seconds(deblurrer, images) / size
        alone = seconds(deblurrer, images[:1])
        told = "" if bar is None else f"below {bar:g} (goal {goal:g})"
        yield f"{f'{name}, CPU seconds an image, batch of {size}':<58}{batch:8.2f}  (alone {alone:.2f})  {told}"


def seconds(deblurrer: Deblurrer, images: torch.Tensor) -> float:
    """Processor time of one call, after one on a small image."""
    deblurrer(images[:1, :, :48, :48])
    begin = time.process_time()
    deblurrer(images)
    return time.process_time() - begin


def _made(name: str) -> Deblurrer:
    cls, network, _, _ = ROWS[name]
    torch.manual_seed(0)
    tensors = {f"generator.{key}": value for key, value in network().state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "last.ckpt"
        torch.save({"format": 1, "stage": name, "networks": tensors, "average": None}, file)
        return cls(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"rows, of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--batch", type=int, default=BATCH, help="images at a time")
    arguments = parser.parse_args()
    print(provenance())
    for text in report(arguments.names, arguments.batch):
        print(text, flush=True)
