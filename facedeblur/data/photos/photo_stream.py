"""Batches of annotated faces, for Lightning: augmented_crop for training, as the localiser sees them for validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from facedeblur.data.photos.augment import CropAugmentSettings, augmented_crop, placement
from facedeblur.data.photos.photos import Face
from facedeblur.data.stream.epoch_stream import Batch, EpochStream
from facedeblur.data.stream.loader import TrainLoader, ValLoader
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

    Raises ValueError where the batch cannot be shared, or an epoch has less than one batch.
    """

    def __init__(
        self,
        faces: Sequence[Face],
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

    def _item(self, face: Face, epoch: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.size
        square = localizer_crop(face.box)
        if self.augment is None:
            return resize(crop(face.image, square), size), points_to_crop(face.landmarks, square, size)
        rng = np.random.default_rng([self.settings.seed, epoch, place, self.rank])
        centre = np.array([square.x, square.y]) + (square.side - 1) / 2
        matrix = placement(centre, square.side, square.side / MARGIN, size, self.augment, rng)
        return augmented_crop(face.image, face.landmarks, matrix, size, self.augment, rng)


class FaceDataModule(LightningDataModule):
    """Annotated faces for training and validation.

    Batches as the network's step gets them: "image" float32 (B, 3, S, S) in [0, 1], channels-last; "points", "meta"
    and "replaced" as in `FaceStream`.
    """

    items, samples = "faces", "faces"

    def __init__(
        self, train: Sequence[Face], val: Sequence[Face], settings: LoaderSettings, augment: CropAugmentSettings
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer validation faces than ranks
        self.train, self.val, self.settings, self.augment = list(train), list(val), settings, augment
        self._start = (0, 0)
        self._loader: TrainLoader | None = None

    @property
    def train_count(self) -> int:
        return len(self.train)

    @property
    def val_count(self) -> int:
        return len(self.val)

    def batches_per_epoch(self, world: int = 1) -> int:
        """Training batches that every one of `world` ranks gets. Raises ValueError as `FaceStream` does."""
        return len(FaceStream(self.train, self.settings, self.augment, 0, world))

    def train_dataloader(self) -> TrainLoader:
        """One loader for all epochs, however often it is asked for."""
        if self._loader is None:
            stream = FaceStream(self.train, self.settings, self.augment, *self._rank())
            self._loader = TrainLoader(stream, self.settings.workers)
            self._loader.set_position(*self._start)
        return self._loader

    def val_dataloader(self) -> ValLoader:
        return ValLoader(FaceStream(self.val, self.settings, None, *self._rank()), 0)

    def teardown(self, stage: str) -> None:
        """Ends the workers of training."""
        if stage == "fit" and self._loader is not None:
            self._start = (self._loader.epoch, self._loader.batch)
            self._loader = None

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        image = batch["image"].to(torch.float32, memory_format=torch.channels_last).div_(255)
        return batch | {"image": image}

    def set_position(self, epoch: int, batch: int = 0) -> None:
        """Training goes on with batch `batch` of `epoch`."""
        self._start = (epoch, batch)
        if self._loader is not None:
            self._loader.set_position(epoch, batch)

    def _rank(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
