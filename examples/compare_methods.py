"""Compare methods on a folder of videos, or "demo", and make the page: python examples/compare_methods.py demo"""

import sys

import torch
from torch.nn import functional as F

import facedeblur


def unsharp(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1] -> the same: what every network should beat."""
    smooth = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return (images + 0.8 * (images - smooth)).clamp(0, 1)


def main(folder: str = "demo", images: str = "20") -> None:
    methods = {"unsharp mask": unsharp, "shipped": "no_identity-small-v1"}
    scores = facedeblur.evaluate(methods, folder, ["pravg11"], images=int(images), save=True, name="example")
    print(scores)
    print(facedeblur.make_report(scores.folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
