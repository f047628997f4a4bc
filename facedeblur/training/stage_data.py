"""The data module of a stage, and how long the stage trains on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facedeblur.cores import usable_cores
from facedeblur.data.frames.pack import read_pack
from facedeblur.data.make_corpus import Corpus, frame_store, pair_stores
from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.settings import DataSettings
from facedeblur.data.stream.base import StreamDataModule
from facedeblur.data.stream.datamodule import PairDataModule
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.plugins import as_text
from facedeblur.training import hardware
from facedeblur.training.settings import TrainerSettings


def loader_settings(data: DataSettings, size: int, seed: int, epoch_windows: int | None) -> LoaderSettings:
    """What the stream needs; `auto` workers are one per two cores of this process's share, at most 8."""
    cores = usable_cores()
    workers = max(1, min(8, cores // 2)) if data.workers == "auto" else int(data.workers)
    return LoaderSettings(
        size=size,
        batch=data.batch,
        workers=workers,
        seed=seed,
        buffer=data.buffer,
        epoch_windows=epoch_windows,
        strength=data.strength,
        val_windows=data.val_windows,
    )


def planned_length(settings: TrainerSettings, batches_per_epoch: int) -> tuple[int, int]:
    """(generator steps, epochs) of the whole run, from epochs, accumulation and max_steps."""
    per_epoch = batches_per_epoch // settings.accumulate
    if per_epoch < 1:
        raise ValueError(
            f"trainer.accumulate: an epoch has {batches_per_epoch} batches, too few for {settings.accumulate} per step"
        )
    steps = settings.epochs * per_epoch
    if settings.max_steps is not None:
        steps = min(steps, settings.max_steps)
    return steps, -(-steps // per_epoch)


def pair_module(data: DataSettings, corpus: Corpus, size: int, seed: int, jobs: int | str = "auto") -> PairDataModule:
    """The stage's pairs, `size` pixels square; `jobs` processes fill its cache, or store faces, where asked to."""
    loader = loader_settings(data, size, seed, corpus.epoch_windows)
    augment = AugmentSettings(
        flip=data.flip, photometric=data.photometric, noise=data.noise, jpeg=data.jpeg, soft=data.soft
    )
    augment = replace(augment, plugin=as_text(data.augmentation, "data.augmentation"))
    stores = pair_stores(data, corpus, size, jobs)
    frames = frame_store(data, corpus, size, jobs)
    if frames is not None:
        augment = replace(augment, zoom=data.zoom, shift=data.shift, turn=data.turn, drift=data.drift)
    kept = {"frames": frames, "redraw": data.redraw, "on_device": data.frames == "device"}
    if corpus.packed is not None:
        kept["val_frames"] = read_pack(Path(corpus.packed) / "val", size)
    return PairDataModule(corpus.train, corpus.val, corpus.mixture, loader, augment, corpus.schedules, stores, **kept)


def check_batches(module: StreamDataModule, trainer: TrainerSettings, prefix: str = "") -> None:
    """Raises ValueError where the mixture, the batch, the ranks or the accumulation cannot work with this data.

    `prefix` of the stage's keys in the configuration, "" or "hourglass.", for messages.
    """
    devices = hardware.device_count(hardware.accelerator_name(trainer.accelerator), trainer.devices)
    where = f"{prefix}data."
    try:
        batches = module.batches_per_epoch(devices * trainer.nodes)
        where = prefix
        planned_length(trainer, batches)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error
