"""`facedeblur exemplars PHOTOS... -o NPZ`: the sharp faces that `method=pan14_faces:NPZ` compares with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from facedeblur.baselines.exemplars import save_exemplars
from facedeblur.errors import UsageError
from facedeblur.faces.crop import crop, crop_box, points_to_crop, resize
from facedeblur.faces.pts import read_pts
from facedeblur.files import check_place, files_among, shown
from facedeblur.images import IMAGE_SUFFIXES, read_image
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.sharpness import blur_of

SIZE = 128  # of the crops that are kept; they are resized to the images of a test
BLURRED = 0.52  # of `blur_of`: 97 % of sharp frames lie below

HELP = """\
Cuts the faces out of photos, sharp ones, for the method pan14_faces (Pan et al., ECCV 2014): each blurred face is
compared with all of them. A photo's landmarks are read from the .pts file beside it; without one, faces are found by
dlib. Faces that look blurred are left out. Some hundred faces, frontal and turned, are a good set. None of the people
may be in a test set.

use: facedeblur evaluate method=pan14_faces:exemplars.npz
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit status. Raises UsageError where it makes no set."""
    parser = argparse.ArgumentParser(
        "facedeblur exemplars", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTOS", help="pictures, or folders of them")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="NPZ", help="the set to write")
    flags = parser.parse_args(argv)
    if flags.out.suffix != ".npz":  # a photo that is named here by mistake stays what it is
        raise UsageError(f"--out {flags.out}: is written as NPZ; name a file that ends in .npz")
    check_place(flags.out, "--out")
    faces, landmarks, blurred = [], [], 0
    for photo in files_among(flags.photos, IMAGE_SUFFIXES):
        for face, points in cut_out(photo):
            if blur_of(face.astype(np.float32) / 255) > BLURRED:
                blurred += 1
                continue
            faces.append(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))
            landmarks.append(points)
    if not faces:
        raise UsageError(f"{', '.join(map(str, flags.photos))}: no sharp face found ({blurred} look blurred)")
    save_exemplars(flags.out, np.stack(faces), np.stack(landmarks))
    left = f"; {blurred} left out that look blurred" if blurred else ""
    print(f"facedeblur: {len(faces)} exemplars in {flags.out}{left}", file=sys.stderr)
    return 0


def cut_out(photo: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The faces of a photo: RGB uint8 (SIZE, SIZE, 3) and their landmarks. A file that is no picture is named."""
    image = read_image(photo)
    if image is None:
        print(f"facedeblur: left out: {shown(photo)}: cannot be read as a picture", file=sys.stderr)
        return
    marked = photo.with_suffix(".pts")
    for points in [read_pts(marked)] if marked.exists() else FaceFinder.dlib().find(image):
        box = crop_box(points)
        yield resize(np.ascontiguousarray(crop(image, box)), SIZE), points_to_crop(points, box, SIZE)
