"""Pairs for programs: a folder of videos as a PyTorch dataset, without Hydra and without Lightning.

It is the pair stream of training, one pair at a time: every video is read forward once per epoch, windows leave through
a shuffle buffer, and what an epoch holds is a function of nothing but (seed, epoch).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from facedeblur.blur.schedule import named_schedule
from facedeblur.cores import usable_cores
from facedeblur.data.corpora import Clip, CorpusSettings, find_clips
from facedeblur.data.demo import DemoSettings
from facedeblur.data.find_clips import clips_of
from facedeblur.data.pairs.pair import Pair, read_pair
from facedeblur.data.prepare.prepare import PrepareError, prepare_plan
from facedeblur.data.stream.epoch_stream import this_worker
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow, sample_epoch
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.errors import UsageError
from facedeblur.files import default_cache
from facedeblur.progress import StageProgress

SPLITS = ("all", "train", "val", "test")


class Pairs(IterableDataset):
    """(blurry, sharp, meta) of a folder; see `facedeblur.pairs`.

    `blurry` and `sharp` are float32 (3, size, size) in [0, 1], RGB. `meta` holds text, numbers and arrays that
    PyTorch's own collation takes: corpus, identity, video, schedule, start, length, reverse, kernel_seed (-1 for an
    average), psnr of the blurred image in dB at 256 px, crop (x, y, side) and landmarks (68, 2) in pixels of the pair.

    Args:
        folder: of the corpus, or "demo" for rendered faces.
        blur: name of a blur, several of them, or name -> weight.
        size: side of the images in pixels.
        layout: how the folder is laid out, a kind of `data=`: clips, stills, pairs (whose blur is "given"), lrw, ...
        split: "all", or what the layout holds for "train", "val" or "test".
        seed: with the epoch, decides what is drawn and in which order.
        windows: pairs per epoch; None: all there are.
        strength: windows are drawn in proportion to their blur's RMSE to this power; 0: uniformly.
        shuffle: False: all windows, video by video, the same in every epoch.
        stride: frames between the starts of two windows; None: they do not overlap.
        response: curve under which frames are averaged, "identity" or "gamma2.2".
        cache: folder of indexes, tracks and plans; None: see `default_cache`.
        jobs: processes that prepare; None: one per core.
        **selection: further fields of `CorpusSettings`, such as identities="none".
    """

    def __init__(
        self,
        folder: str | Path,
        blur: str | Sequence[str] | Mapping[str, float] = "vla",
        size: int = 128,
        *,
        layout: str = "clips",
        split: str = "all",
        seed: int = 0,
        windows: int | None = None,
        strength: float = 0.0,
        shuffle: bool = True,
        stride: int | None = None,
        response: str = "identity",
        cache: str | Path | None = None,
        jobs: int | None = None,
        **selection: Any,
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"split: one of {', '.join(SPLITS)}, got {split!r}")
        cache, jobs = Path(cache or default_cache()), jobs or usable_cores()
        weights = _weights(blur)
        self.schedules = tuple(named_schedule(name, stride=stride, response=response) for name in weights)
        clips = _clips(folder, layout, cache, jobs, selection)
        chosen = [clip for clip in clips if split in ("all", clip.split)]
        if not chosen:
            raise PrepareError(f"{folder}: no {split} clips among {len(clips)}")
        progress = StageProgress("videos")
        self.plan, self.report = prepare_plan(chosen, self.schedules, cache, jobs=jobs, progress=progress)
        settings = LoaderSettings(size=size, batch=2, seed=seed, epoch_windows=windows, strength=strength)
        mixture = [MixtureRow(None, tuple(weights.items()), weight=1.0)] if shuffle else None
        self._stream = _OneByOne(self.plan, settings, mixture, schedules=self.schedules)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that live on read it as well

    def __len__(self) -> int:
        """Pairs of an epoch."""
        return len(self._stream.epoch_rows(0)[0])

    def set_epoch(self, epoch: int) -> None:
        """The next iteration gives the pairs of this epoch, as with PyTorch's `DistributedSampler`."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, dict[str, Any]]]:
        for pair, _ in self._stream.pairs(int(self._epoch), *this_worker()):
            yield _tensors(pair)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """The pair of one row of the plan, read by itself: to look at one, not to train on all."""
        return _tensors(read_pair(self._stream.describe(range(len(self.plan))[row])))


class _OneByOne(PairStream):
    """The pairs of an epoch that need fill no batches."""

    def epoch_rows(self, epoch: int) -> tuple[np.ndarray, int]:
        if self.mixture is None:
            return super().epoch_rows(epoch)
        settings = self.settings
        drawn = sample_epoch(self.plan, self.mixture, settings.seed, epoch, settings.epoch_windows, settings.strength)
        return drawn, 0


def _weights(blur: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    if isinstance(blur, Mapping):
        return dict(blur)
    return dict.fromkeys([blur] if isinstance(blur, str) else blur, 1.0)


def _clips(folder: str | Path, layout: str, cache: Path, jobs: int, selection: Mapping[str, Any]) -> list[Clip]:
    if str(folder) == "demo":
        return clips_of((), "demo", cache, DemoSettings(**selection), jobs)
    return find_clips(
        CorpusSettings(layout, str(Path(folder).expanduser()), Path(folder).name, str(cache), **selection)
    )


def _tensors(pair: Pair) -> tuple[Tensor, Tensor, dict[str, Any]]:
    blurry, sharp = (
        torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float().div_(255)
        for image in (pair.blurry, pair.sharp)
    )
    seed = pair.meta.kernel_seed
    meta = pair.meta.window() | {"kernel_seed": -1 if seed is None else seed, "psnr": float(pair.meta.psnr)}
    meta |= {"crop": np.asarray(pair.meta.crop), "landmarks": np.asarray(pair.meta.landmarks, np.float32)}
    return blurry, sharp, meta
