"""Deblur the faces of a photo: python examples/deblur_photo.py photo.jpg out.png"""

import sys

import numpy as np
from PIL import Image

import facedeblur


def main(photo: str, out: str) -> None:
    image = np.asarray(Image.open(photo).convert("RGB"))
    deblur = facedeblur.load()  # the shipped weights; also a run folder, or a file
    sharp = deblur(image)  # faces are found, deblurred and put back; the rest stays to the bit
    Image.fromarray(sharp).save(out)
    print(f"{out}: {np.count_nonzero((sharp != image).any(-1))} of {image.shape[0] * image.shape[1]} pixels changed")


if __name__ == "__main__":
    main(*sys.argv[1:3])
