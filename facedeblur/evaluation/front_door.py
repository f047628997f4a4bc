"""Methods through the front door: whole blurred frames go to `facedeblur.load()(frame)`, and its output is scored.

The crop is cut out of the output by the truth's box, as that of the network alone is. Whatever lies between the two
(the detector, the gate, the mask, the enlargement, the place of the crop) shows as the difference of their rows; a face
that is not found stays as it was. The row "blurred (front door)" is the blurred frame itself: what the others began
with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facedeblur.evaluation.frames import blurred_frames
from facedeblur.evaluation.restoring import Restored
from facedeblur.evaluation.testset import BlurSet
from facedeblur.faces.crop import CropBox, crop, resize
from facedeblur.inference.api import FaceDeblurrer
from facedeblur.methods import Method
from facedeblur.models.deblurrer import NetworkDeblurrer
from facedeblur.models.fast import accelerated

LABEL = " (front door)"
VERSION = 2  # of how faces are found, chosen and pasted: rows of another front door are other rows


@dataclass(frozen=True, eq=False)
class FrontDoor(Method):
    """A method that is given whole frames. `door` None: frames stay as they are."""

    door: FaceDeblurrer | None = None


def front_doors(methods: Sequence[Method], size: int) -> list[FrontDoor]:
    """The blurred frame, and every method that is neither it nor the oracle, through the front door.

    size: of the faces that a method is given which was trained on no size of its own.
    """
    found = []
    for method in methods:
        if method.sharp:
            continue
        door = None
        if method.name != "blurred":
            deblurrer = method.deblurrer
            fast = accelerated(deblurrer) if isinstance(deblurrer, NetworkDeblurrer) else deblurrer
            door = FaceDeblurrer(fast, method.image_size or size, method.name)
        source = {"kind": "front_door", "of": dict(method.source)}
        source["fingerprint"] = f"front door {VERSION}, {method.source.get('fingerprint')}"
        found.append(FrontDoor(method.name + LABEL, method.deblurrer, source, method.image_size, door=door))
    return found


def through(methods: Sequence[FrontDoor], blur: BlurSet, rows: Sequence[int], size: int) -> dict[str, list[Restored]]:
    """What became of the faces in the frames of `rows` of `blur.plan`, by method and in the order of `rows`.

    Crops are RGB uint8 (size, size, 3). A frame that a method raises an error on counts as black, as in `restoring`.
    Raises VideoError for a video that cannot be read.
    """
    made: dict[str, dict[int, Restored]] = {method.name: {} for method in methods}
    for row, frame in blurred_frames(blur, rows) if methods else ():
        box = blur.plan[row].crop
        for method in methods:
            made[method.name][row] = _restored(method, frame, box, size)
    return {name: [found[row] for row in rows] for name, found in made.items()}


def _restored(method: FrontDoor, frame: np.ndarray, box: CropBox, size: int) -> Restored:
    begin = time.perf_counter()
    try:
        output = frame if method.door is None else method.door(frame)
    except (Exception, SystemExit) as error:  # a method may raise anything, and may call sys.exit
        print(f"{method.name}: {type(error).__name__}: {error}; the image counts as black", file=sys.stderr)
        return Restored(np.zeros((size, size, 3), np.uint8), None, frozenset({"error"}))
    seconds = time.perf_counter() - begin
    return Restored(np.ascontiguousarray(resize(crop(output, box), size)), seconds)
