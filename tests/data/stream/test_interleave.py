from __future__ import annotations

import pytest
import torch

from facedeblur.data.stream.interleave import interleave


def pack(places) -> dict:
    """A pack whose every pixel, and meta data, say which place they are for."""
    value = torch.tensor(places, dtype=torch.uint8)[:, None, None, None]
    image = value.expand(-1, 2, 4, 3).contiguous().permute(0, 3, 1, 2)
    return {"image": image, "points": value[:, :, 0, 0].float(), "meta": list(places)}


@pytest.mark.parametrize(("workers", "size", "total"), [(0, 3, 8), (1, 4, 8), (3, 4, 41), (3, 5, 30), (5, 2, 33)])
@pytest.mark.parametrize("first", [0, 1, 3])
def test_places_come_in_order_wherever_it_begins(workers, size, total, first):
    turns = max(1, workers)
    begin = first * size
    own = [list(range(begin + worker, total, turns)) for worker in range(turns)]
    packs = [
        pack(places[i : i + size]) for i in range(0, total, size) for places in own if places[i : i + size]
    ]  # those of worker 0, 1, ... in turn
    batches = list(interleave(iter(packs), workers, size))
    places = [place for batch in batches for place in batch["meta"]]
    assert places == list(range(begin, total))
    assert all(len(batch["meta"]) == size for batch in batches[:-1])
    for batch in batches:
        assert batch["image"].shape == (len(batch["meta"]), 3, 2, 4) and batch["image"].dtype == torch.uint8
        assert batch["image"].is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch["image"].amax(dim=(1, 2, 3)), batch["image"].amin(dim=(1, 2, 3)))
        assert batch["image"][:, 0, 0, 0].tolist() == batch["points"][:, 0].tolist() == batch["meta"]


def test_a_batch_is_whole_before_the_next_round_is_asked_for():
    taken = []
    packs = (taken.append(i) or pack([i, i]) for i in range(6))
    next(interleave(packs, 3, 2))
    assert taken == [0, 1, 2]
