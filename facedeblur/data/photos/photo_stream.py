"""Batches of annotated faces, for Lightning: augmented_crop for training, as the localiser sees them for validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from facedeblur.data.photos.augment import CropAugmentSettings, augmented_crop, placement
from facedeblur.data.photos.photos import AnnotatedFace
from facedeblur.data.stream.base import StreamDataModule
from facedeblur.data.stream.epoch_stream import Batch, EpochStream
from facedeblur.data.stream.loader import ValLoader
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.faces.crop import crop, points_to_crop, resize
from facedeblur.faces.hourglass_localizer import MARGIN, localizer_crop


class FaceStream(EpochStream):
    """Batches of faces.

    A batch is a dict: "image", uint8 (B, 3, S, S) in channels-last memory; "points", float32 (B, 68, 2) pixels of it;
    "meta", a list of B dicts with the photo's file as "video"; "replaced", None for each. What it holds depends on
    (seed, epoch, batch, ranks) alone.

    Args:
        augment: of training; without it every face comes once, in order, as `HourglassLocalizer` crops it.
        rank, world: this process among those that share the epoch.

    Raises:
        ValueError: the batch cannot be shared, or an epoch has less than one batch.
    """

    def __init__(
        self,
        faces: Sequence[AnnotatedFace],
        settings: LoaderSettings,
        augment: CropAugmentSettings | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(settings, rank, world)
        self.faces, self.augment = list(faces), augment
        self.drawn = (settings.epoch_windows or len(self.faces)) if augment is not None else len(self.faces)
        if augment is not None and self.drawn < settings.batch:
            raise ValueError(f"epoch_windows: an epoch of {self.drawn} faces has no batch of {settings.batch}")

    def __len__(self) -> int:
        if self.augment is None:
            return -(-len(self._order(0)) // self.batch)
        return self.drawn // self.settings.batch

    def _run(self, epoch: int, place: int, workers: int) -> Iterator[Batch]:
        order = self._order(epoch)
        for first in range(place, len(order), workers * self.batch):
            places = range(first, len(order), workers)[: self.batch]
            items = [self._item(self.faces[order[i]], epoch, i) for i in places]
            yield {
                "image": torch.from_numpy(np.stack([image for image, _ in items])).permute(0, 3, 1, 2),
                "points": torch.from_numpy(np.stack([points for _, points in items])),
                "meta": [{"video": self.faces[order[i]].still.image} for i in places],
                "replaced": [None] * len(items),
            }

    def _order(self, epoch: int) -> np.ndarray:
        """The faces of this rank: its share of an epoch, which goes through all faces again and again."""
        if self.augment is None:
            return np.arange(self.rank, len(self.faces), self.world)
        rng = np.random.default_rng([self.settings.seed, epoch])
        passes = -(-self.drawn // len(self.faces))
        order = np.concatenate([rng.permutation(len(self.faces)) for _ in range(passes)])
        return order[self.rank : len(self) * self.settings.batch : self.world]

    def _item(self, face: AnnotatedFace, epoch: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.size
        square = localizer_crop(face.box)
        if self.augment is None:
            return resize(crop(face.image, square), size), points_to_crop(face.landmarks, square, size)
        rng = np.random.default_rng([self.settings.seed, epoch, place, self.rank])
        centre = np.array([square.x, square.y]) + (square.side - 1) / 2
        matrix = placement(centre, square.side, square.side / MARGIN, size, self.augment, rng)
        return augmented_crop(face.image, face.landmarks, matrix, size, self.augment, rng)


class FaceDataModule(StreamDataModule):
    """Annotated faces for training and validation.

    Batches as the network's step gets them: "image" float32 (B, 3, S, S) in [0, 1], channels-last; "points", "meta"
    and "replaced" as in `FaceStream`.
    """

    items, samples = "faces", "faces"
    images = ("image",)

    def __init__(
        self,
        train: Sequence[AnnotatedFace],
        val: Sequence[AnnotatedFace],
        settings: LoaderSettings,
        augment: CropAugmentSettings,
    ) -> None:
        super().__init__(settings)
        self.train, self.val, self.augment = list(train), list(val), augment

    @property
    def train_count(self) -> int:
        return len(self.train)

    @property
    def val_count(self) -> int:
        return len(self.val)

    def train_stream(self, rank: int, world: int) -> FaceStream:
        return FaceStream(self.train, self.settings, self.augment, rank, world)

    def val_dataloader(self) -> ValLoader:
        return ValLoader(FaceStream(self.val, self.settings, None, *self.rank()), 0)
