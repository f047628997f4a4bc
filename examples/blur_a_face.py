"""One sharp photo under kernels of both kinds, side by side: python examples/blur_a_face.py photo.png sheet.png"""

import sys

import numpy as np
import torch
from PIL import Image

from facedeblur.blur import apply_kernel, camera_shake_kernel, trajectory_kernel


def main(photo: str, sheet: str) -> None:
    image = Image.open(photo).convert("RGB").resize((256, 256))
    sharp = torch.from_numpy(np.asarray(image)).permute(2, 0, 1).float() / 255
    rows = []
    for make in (trajectory_kernel, camera_shake_kernel):
        kernels = make(seed=0, size=256, count=3)  # three kernels, of the seeds 0, 1 and 2
        blurred = apply_kernel(sharp.expand(3, -1, -1, -1), kernels)
        rows.append(torch.cat([sharp, *blurred], dim=2))
    pixels = (torch.cat(rows, dim=1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    Image.fromarray(pixels.numpy()).save(sheet)
    print(f"{sheet}: sharp and three kernels a row; trajectories above, camera shake below")


if __name__ == "__main__":
    main(*sys.argv[1:3])
