"""Fits the mixture of Gaussians over patches to a folder of pictures: python -m facedeblur.baselines.fit_patch_prior.

Without a folder the pictures are those in the public domain (or under CC0) that scikit-image installs; that is how the
prior that ships with the package was made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facedeblur.baselines.deconvolution.patch_prior import PACKAGED, SIDE, fit, save_prior
from facedeblur.errors import UsageError

# by the licence file of scikit-image's data: public domain or CC0. The astronaut is left out: docs show it.
PUBLIC = ("camera", "coffee", "chelsea", "rocket", "brick", "grass", "gravel")
SCALES = (1.0, 0.5)  # halved pictures bring sharper patches


def gray_pictures(folder: Path | None) -> dict[str, Tensor]:
    """Gray pictures (H, W) in [0, 1] by name. Raises UsageError where a folder has none."""
    from skimage import color, data, io

    if folder is None:
        read = {name: getattr(data, name)() for name in PUBLIC}
    else:
        files = [file for file in sorted(folder.glob("*")) if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif")]
        read = {file.name: io.imread(file) for file in files}
    if not read:
        raise UsageError(f"{folder}: no .png, .jpg or .tif file")
    pictures = {}
    for name, picture in read.items():
        gray = color.rgb2gray(picture[..., :3]) if picture.ndim == 3 else picture / np.iinfo(picture.dtype).max
        pictures[name] = torch.from_numpy(gray).float()
    return pictures


def sample_patches(pictures: list[Tensor], count: int, seed: int = 0) -> Tensor:
    """`count` patches (count, 64) from everywhere in the pictures and their halves."""
    generator = torch.Generator().manual_seed(seed)
    scaled = []
    for picture in pictures:
        for scale in SCALES:
            smaller = F.interpolate(picture[None, None], scale_factor=scale, mode="bilinear", antialias=scale < 1)
            scaled.append(smaller[0, 0])
    each = -(-count // len(scaled))
    patches = []
    for picture in scaled:
        windows = picture.unfold(0, SIDE, 1).unfold(1, SIDE, 1)
        rows = torch.randint(windows.shape[0], (each,), generator=generator)
        columns = torch.randint(windows.shape[1], (each,), generator=generator)
        patches.append(windows[rows, columns].flatten(1))
    return torch.cat(patches)[:count]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="?", type=Path, help="folder; by default the public-domain ones")
    parser.add_argument("-o", "--out", type=Path, default=PACKAGED)
    parser.add_argument("--components", type=int, default=100)
    parser.add_argument("--patches", type=int, default=60000)
    parser.add_argument("--iterations", type=int, default=12)
    options = parser.parse_args()
    pictures = gray_pictures(options.pictures)
    patches = sample_patches(list(pictures.values()), options.patches)
    prior = fit(patches, options.components, options.iterations)
    source = f"{options.components} components fitted to {options.patches} patches of {', '.join(pictures)}"
    save_prior(options.out, prior, source + ("" if options.pictures else " (scikit-image; public domain or CC0)"))
    print(f"{options.out}: {source}")


if __name__ == "__main__":
    main()
