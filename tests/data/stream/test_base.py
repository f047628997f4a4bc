"""What both data modules do with a stream: one loader, a position, floats in [0, 1]."""

from __future__ import annotations

import torch

from facedeblur.data.stream.base import StreamDataModule
from facedeblur.data.stream.epoch_stream import EpochStream
from facedeblur.data.stream.settings import LoaderSettings


class Numbers(EpochStream):
    """Three batches an epoch: (epoch, place)."""

    def __len__(self) -> int:
        return 3

    def _run(self, epoch: int, place: int, workers: int):
        for first in range(place, 3 * self.batch, self.batch):
            yield {
                "image": torch.full((self.batch, 3, 2, 2), 255, dtype=torch.uint8),
                "meta": [(epoch, first)] * self.batch,
            }


class Module(StreamDataModule):
    images = ("image",)

    def train_stream(self, rank: int, world: int) -> Numbers:
        return Numbers(self.settings, rank, world)


def module() -> Module:
    return Module(LoaderSettings(size=64, batch=2, workers=0, seed=0))


def places(loader, count: int) -> list:
    return [batch["meta"][0] for _, batch in zip(range(count), loader, strict=False)]


def test_there_is_one_loader_and_it_goes_on_where_it_stopped():
    made = module()
    assert made.train_dataloader() is made.train_dataloader() and made.batches_per_epoch() == 3
    assert places(made.train_dataloader(), 2) == [(0, 0), (0, 2)]
    assert made.state_dict() == {"epoch": 0, "batch": 2}
    made.teardown("fit")
    assert places(made.train_dataloader(), 1) == [(0, 4)] and made.state_dict() == {"epoch": 1, "batch": 0}


def test_a_position_may_be_set_before_and_after_the_loader_is_made():
    made = module()
    made.set_position(4, 1)
    assert places(made.train_dataloader(), 1) == [(4, 2)]
    made.load_state_dict({"epoch": 2, "batch": 2})
    assert made.state_dict() == {"epoch": 2, "batch": 2} and len(made.train_dataloader()) == 3
    assert places(made.train_dataloader(), 1) == [(2, 4)]


def test_bytes_become_floats_and_floats_stay():
    made = module()
    whole = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    found = made.on_after_batch_transfer({"image": whole, "meta": []}, 0)["image"]
    assert found.dtype == torch.float32 and torch.allclose(found, torch.tensor(0.2))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert made.on_after_batch_transfer({"image": found}, 0)["image"] is found
