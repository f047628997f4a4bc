"""What the data modules share: one training loader for all epochs, its position, and images as floats."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningDataModule

from facedeblur.data.stream.epoch_stream import EpochStream
from facedeblur.data.stream.loader import TrainLoader
from facedeblur.data.stream.settings import LoaderSettings


class StreamDataModule(LightningDataModule):
    """A data module around a stream that is resumed at any batch; usable without a Trainer too, as rank 0 of 1.

    Subclasses define `train_stream`, `val_dataloader`, `train_count` and `val_count`, and name in `images` what of a
    batch is an image: uint8 (B, 3, S, S), which the network's step gets as float32 in [0, 1], channels-last.
    """

    items, samples = "windows", "pairs"  # what progress lines call them
    images: tuple[str, ...] = ()

    def __init__(self, settings: LoaderSettings) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer validation samples than ranks
        self.settings = settings
        self._start = (0, 0, False)  # where the training loader begins once it is made
        self._train: TrainLoader | None = None

    def train_stream(self, rank: int, world: int) -> EpochStream:
        """The training batches of one of `world` ranks. Raises ValueError where they cannot share an epoch."""
        raise NotImplementedError

    def batches_per_epoch(self, world: int = 1) -> int:
        """Training batches that every one of `world` ranks gets. Raises ValueError as `train_stream` does."""
        return len(self.train_stream(0, world))

    def train_dataloader(self) -> TrainLoader:
        """One loader for all epochs, however often it is asked for."""
        if self._train is None:
            self._train = TrainLoader(self.train_stream(*self.rank()), self.settings.workers)
            self._train.set_position(*self._start)
        return self._train

    def teardown(self, stage: str) -> None:
        """Ends the workers of training; a later loader goes on where they stopped."""
        if stage == "fit" and self._train is not None:
            self._start = (self._train.epoch, self._train.batch, False)
            self._train = None

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        made = {name: batch[name] for name in self.images if not batch[name].is_floating_point()}
        return batch | {name: _unit_range(images) for name, images in made.items()}

    def set_position(self, epoch: int, batch: int = 0, counted: bool = False) -> None:
        """Training goes on with batch `batch` of `epoch`, as `TrainLoader.set_position` says."""
        self._start = (epoch, batch, counted)
        if self._train is not None:
            self._train.set_position(epoch, batch, counted)

    def state_dict(self) -> dict[str, int]:
        """The first batch that training has not taken yet: {"epoch", "batch"}."""
        epoch, batch = (self._train.epoch, self._train.batch) if self._train else self._start[:2]
        return {"epoch": epoch, "batch": batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.set_position(state["epoch"], state["batch"], counted=True)

    def rank(self) -> tuple[int, int]:
        """This process and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


def _unit_range(images: torch.Tensor) -> torch.Tensor:
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255)
