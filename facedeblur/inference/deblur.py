"""The faces of one picture through a Deblurrer, and back into the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from facedeblur.faces.crop import CropBox, crop_box
from facedeblur.faces.protocols import Box
from facedeblur.inference.find import FaceFinder
from facedeblur.inference.paste import network_crop, paste, white_of, whole_box
from facedeblur.inference.sharpness import blend_weight
from facedeblur.models.deblurrer import Deblurrer, NetworkDeblurrer
from facedeblur.models.outputs import check_images, of_another_range, values_of
from facedeblur.settings import check, check_count, check_range

FACES = ("all", "largest")


@dataclass(frozen=True)
class DeblurOptions:
    """How pictures and videos are treated. Raises ValueError naming the field.

    Attributes:
        faces: "all" of a picture or the "largest".
        aligned: pictures are crops of one face already; nothing is searched or pasted.
        always: faces that look sharp are deblurred, too. Aligned ones always are.
        batch: faces that go through the network at once.
        strength: the share of every correction that is applied, in [0, 1].
        boxes: where the faces are, (x, y, width, height) in pixels of the upright picture; none are searched then.
    """

    faces: str = "all"
    aligned: bool = False
    always: bool = False
    batch: int = 8
    strength: float = 1.0
    boxes: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        for box in self.boxes:
            values = tuple(box) if np.iterable(box) else (box,)
            valid = len(values) == 4 and all(math.isfinite(value) for value in values) and min(values[2:]) > 0
            check(valid, "box", "x,y,width,height in pixels", ",".join(map(str, values)))
        if self.boxes and self.aligned:
            raise ValueError("box: an aligned picture is one face; give either")
        check(self.faces in FACES, "faces", f"one of {', '.join(FACES)}", self.faces)
        check_count("batch", self.batch)
        check_range(self, 0, 1, "strength")


DEFAULTS = DeblurOptions()


@dataclass(frozen=True, eq=False)
class Deblurred:
    """A picture as it was given, with its faces deblurred; how many were found, and left alone because sharp."""

    picture: np.ndarray
    faces: int
    sharp: int


def run(deblurrer: Deblurrer, crops: Sequence[np.ndarray], batch: int) -> list[np.ndarray]:
    """Crops (S, S, 3) float32 in [0, 1] through the network in batches of one S each; as many of the same shapes.

    What is grey stays grey, whatever the network makes of its colours. Raises ValueError for a method that gives
    anything but images of that shape in [0, 1].
    """
    restored = list(crops)
    by_side: dict[int, list[int]] = {}
    for place, crop in enumerate(crops):
        by_side.setdefault(len(crop), []).append(place)
    for places in (own[i : i + batch] for own in by_side.values() for i in range(0, len(own), batch)):
        images = torch.from_numpy(np.stack([crops[place] for place in places])).permute(0, 3, 1, 2)
        done = deblurrer(images.contiguous(memory_format=torch.channels_last))
        check_images(done, images.shape)
        if done.shape != images.shape:
            raise ValueError(f"gave {tuple(done.shape)} for images {tuple(images.shape)}")
        if of_another_range(done).any():
            raise ValueError(f"{values_of(done)}; they must be in [0, 1]")
        for place, face in zip(places, np.ascontiguousarray(done.permute(0, 2, 3, 1).numpy(force=True)), strict=True):
            restored[place] = face
    return [_grey(face) if _is_grey(crop) else face for crop, face in zip(crops, restored, strict=True)]


def runs_on_cpu(deblurrer: Deblurrer) -> bool:
    """Whether it is a network on the processor, which several threads may use at once."""
    return isinstance(deblurrer, NetworkDeblurrer) and next(deblurrer.network.parameters()).device.type == "cpu"


def one_thread_each() -> None:
    """Called in a thread: torch computes in this thread only."""
    torch.set_num_threads(1)


def _is_grey(face: np.ndarray) -> bool:
    return bool((face[..., :1] == face).all())


def _grey(face: np.ndarray) -> np.ndarray:
    return np.repeat(face.mean(axis=2, keepdims=True, dtype=np.float32), 3, axis=2)


def deblur_pictures(
    pictures: Sequence[np.ndarray],
    deblurrer: Deblurrer,
    size: int,
    finder: FaceFinder | None,
    options: DeblurOptions = DEFAULTS,
) -> list[Deblurred]:
    """Deblur the faces of upright pictures, in batches over all of them.

    Args:
        pictures: uint8, uint16 or float32 in [0, 1], (H, W, 3) each, RGB.
        deblurrer: the method; see `facedeblur.models.deblurrer`.
        size: side of the crops it is given, in pixels; a network that has a smaller one in it chooses for each face.
        finder: of faces; None only for aligned pictures.
    """
    size_of = partial(_crop_size, deblurrer, size)
    works = [_Work.of(picture, size_of, finder, options) for picture in pictures]
    restored = iter(run(deblurrer, [face for work in works for face in work.given], options.batch))
    return [work.done([next(restored) for _ in work.given], not options.aligned) for work in works]


def _crop_size(deblurrer: Deblurrer, size: int, side: int) -> int:
    """The side at which a face of `side` pixels is given to `deblurrer`."""
    return deblurrer.size_for(side) if isinstance(deblurrer, NetworkDeblurrer) and deblurrer.smaller else size


@dataclass(frozen=True, eq=False)
class _Work:
    """A picture and those of its faces that are to be deblurred, each with the share of its correction it gets.

    `picture` is the given one after so many quarter `turns`, counterclockwise.
    """

    picture: np.ndarray
    turns: int
    found: int
    sharp: int
    boxes: list[CropBox]
    given: list[np.ndarray]
    weights: list[float]

    @classmethod
    def of(
        cls, picture: np.ndarray, size_of: Callable[[int], int], finder: FaceFinder | None, options: DeblurOptions
    ) -> _Work:
        turns, boxes = (0, [whole_box(picture)]) if options.aligned else _boxes(picture, finder, options)
        picture = np.rot90(picture, turns) if turns else picture
        given = [network_crop(picture, box, size_of(box.side)) for box in boxes]
        ask = not (options.always or options.aligned)
        weights = [blend_weight(face, box.side) if ask else 1.0 for face, box in zip(given, boxes, strict=True)]
        wanted = [i for i, weight in enumerate(weights) if weight * options.strength > 0]
        chosen = ([values[i] for i in wanted] for values in (boxes, given))
        shares = [weights[i] * options.strength for i in wanted]
        return cls(picture, turns, len(boxes), weights.count(0.0), *chosen, shares)

    def done(self, restored: list[np.ndarray], masked: bool) -> Deblurred:
        picture = paste(self.picture, self.boxes, self.given, restored, self.weights, masked)
        return Deblurred(np.rot90(picture, -self.turns) if self.turns else picture, self.found, self.sharp)


def _boxes(picture: np.ndarray, finder: FaceFinder, options: DeblurOptions) -> tuple[int, list[CropBox]]:
    """How often the picture has to be turned, and then the crop boxes of the faces, the largest first.

    The search sees 8 bits.
    """
    scale = 255 / white_of(picture.dtype)
    seen = picture if picture.dtype == np.uint8 else np.rint(picture * scale).astype(np.uint8)
    if options.boxes:
        check_boxes(options.boxes, picture)
        return 0, [finder.crop_in(seen, box) for box in options.boxes]
    turns, found = finder.search(seen)
    return turns, [crop_box(points) for points in (found[:1] if options.faces == "largest" else found)]


def check_boxes(boxes: Sequence[Box], picture: np.ndarray) -> None:
    """Raises ValueError for a box that has no pixel in the picture (H, W, 3)."""
    height, width = picture.shape[:2]
    for x, y, w, h in boxes:
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise ValueError(f"box: {x:g},{y:g},{w:g},{h:g} lies beside the picture of {width} x {height} pixels")
