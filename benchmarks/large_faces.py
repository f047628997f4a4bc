"""Faces of 300 and 700 pixels through weights of two sizes:

    python -m benchmarks.large_faces SMALL LARGE [--out docs]

The photo is Grace Hopper (US Navy, public domain), which comes with matplotlib: the crop of her face has 286 pixels.
For 700 the photo is enlarged, so that its finest detail lies at 2.4 pixels. Both are blurred by a shaking hand; of the
first eight trajectories the third strongest is shown, whatever becomes of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.pictures import encoded, psnr, shaken
from facedeblur.faces.crop import crop, crop_box
from facedeblur.files import write_atomic
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.load import load

SIDES = (300, 700)


def photo(side: int) -> np.ndarray:
    """The photo, RGB uint8, with a face crop of about `side` pixels: as it is, or enlarged."""
    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    image = np.asarray(Image.open(file).convert("RGB"))
    own = crop_box(FaceFinder.dlib().find(image)[0]).side
    if side <= 1.1 * own:
        return image
    return cv2.resize(image, None, fx=side / own, fy=side / own, interpolation=cv2.INTER_CUBIC)


def draw(small: str, large: str, out: Path) -> Iterator[str]:
    """Writes a picture for each size, and yields a line of what each network gained."""
    models = {"blurred": None, small: load(small), large: load(large), "sharp": None}
    for side in SIDES:
        sharp = np.ascontiguousarray(photo(side))
        points = FaceFinder.dlib().find(sharp)[0]
        before = shaken(sharp, points)
        faces = []
        for name, model in models.items():
            done = sharp if name == "sharp" else before if model is None else model(before)
            if model is not None or name == "blurred":
                yield f"{side} pixels, {name}: {psnr(done, sharp, points):.2f} dB"
            face = Image.fromarray(np.ascontiguousarray(crop(done, crop_box(points))))
            ImageDraw.Draw(face).text((8, 6), name, fill="white", stroke_width=2, stroke_fill="black", font_size=16)
            faces.append(np.asarray(face))
        rows = [np.hstack(faces)] if side < 500 else [np.hstack(faces[:2]), np.hstack(faces[2:])]
        file = out / f"face-{side}.jpg"
        write_atomic(file, encoded(np.vstack(rows), 85))
        yield str(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_faces", description=__doc__)
    parser.add_argument("small", help="weights for 128 pixels")
    parser.add_argument("large", help="weights for 256 pixels")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: docs)")
    given = parser.parse_args()
    for text in draw(given.small, given.large, given.out):
        print(text, flush=True)
