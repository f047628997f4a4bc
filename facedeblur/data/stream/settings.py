"""What the loaders need to know, in plain values: no torch here, so that a wrong value is named before torch loads."""

from __future__ import annotations

from dataclasses import dataclass

from facedeblur.settings import check_count


@dataclass(frozen=True)
class LoaderSettings:
    """How drawn windows become batches.

    Attributes:
        size: side of the square images in pixels.
        batch: pairs per step over all ranks; every rank gets batch // ranks of them.
        workers: reader processes per rank; 0 reads in the training process.
        seed: with the epoch, decides every draw, order and augmentation.
        buffer: pairs held by each worker's shuffle buffer.
        epoch_windows: windows drawn per epoch; None: as many as the mixture allows.
        strength: windows are drawn in proportion to their blur's RMSE to this power; 0: uniformly.
        val_windows: validation windows, at most.

    Raises:
        ValueError: naming the field.
    """

    size: int = 128
    batch: int = 16
    workers: int = 2
    seed: int = 0
    buffer: int = 512
    epoch_windows: int | None = None
    strength: float = 1.0
    val_windows: int = 256

    def __post_init__(self) -> None:
        for name, least in {"size": 2, "batch": 1, "workers": 0, "seed": 0, "buffer": 1, "val_windows": 1}.items():
            check_count(name, getattr(self, name), least)
        if self.epoch_windows is not None:
            check_count("epoch_windows", self.epoch_windows, 1)
        if not self.strength >= 0:
            raise ValueError(f"strength: a power of at least 0, got {self.strength}")

    def local_batch(self, world: int) -> int:
        """Pairs per step and rank. Raises ValueError unless `world` ranks can share `batch`, two or more to each:
        the bottleneck of a 128 px network is 1 x 1, so batch norm sees nothing but the batch."""
        if self.batch % world or self.batch // world < 2:
            raise ValueError(f"batch: a multiple of {world} rank(s) with at least 2 each, got {self.batch}")
        return self.batch // world
