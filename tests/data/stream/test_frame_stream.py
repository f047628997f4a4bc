from __future__ import annotations

import numpy as np
import pytest
import torch

from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.stream.frame_stream import FrameStream
from facedeblur.data.stream.loader import TrainLoader, ValLoader
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings

MIXTURE = (
    MixtureRow("A", (("pravg5", 1.0), ("pravg9", 1.0)), weight=2.0),
    MixtureRow("B", (("trajectory", 1.0),), weight=1.0),
)
AUGMENT = AugmentSettings(flip=0.5, zoom=0.05, shift=0.03, turn=5.0, photometric=0.3)


def stream(stored, store, batch=4, rank=0, world=1, epoch_windows=24, **values):
    settings = LoaderSettings(size=16, batch=batch, workers=0, seed=3, epoch_windows=epoch_windows)
    values = {"mixture": MIXTURE, "augment": AUGMENT, "redraw": True} | values
    return FrameStream(stored.plan, store, settings, rank=rank, world=world, **values)


def images(batches) -> list[np.ndarray]:
    return [np.concatenate([batch["blurry"].numpy(), batch["sharp"].numpy()]) for batch in batches]


def same(first, second) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_corpus_has_its_own_blur_in_its_share(stored, store):
    metas = [meta for batch in stream(stored, store) for meta in batch["meta"]]
    assert {(meta["corpus"], meta["schedule"]) for meta in metas} == {
        ("A", "pravg5"), ("A", "pravg9"), ("B", "trajectory"),
    }  # fmt: skip
    assert sum(meta["corpus"] == "B" for meta in metas) == 7  # all it has; of 24 the rest is of A
    assert len({(meta["video"], meta["row"]) for meta in metas}) == 24


def test_memory_disk_and_resumption_give_the_same_bits(stored, store, tmp_path):
    whole = stream(stored, store)
    all_of = images(whole)
    same(all_of, images(stream(stored, stored.open("memory", tmp_path))))
    resumed = stream(stored, store)
    resumed.set_position(0, 4)
    same(all_of[4:], images(resumed))
    whole.set_position(1)
    assert not np.array_equal(images(whole)[0], all_of[0])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_batches(stored, store, workers, monkeypatch):
    """As the loader deals them, with each worker's packs made in turn in this process."""
    from facedeblur.data.stream.interleave import interleave

    whole = stream(stored, store)
    packs = [list(whole._run(0, worker, workers)) for worker in range(workers)]
    turns = [packs[worker][turn] for turn in range(max(map(len, packs))) for worker in range(workers)
             if turn < len(packs[worker])]  # fmt: skip
    same(images(whole), images(interleave(iter(turns), workers, whole.batch)))


def test_two_processes_give_the_batches_of_one(stored, store, tmp_path):
    """Real reader processes, from memory: the file of the store reaches them."""
    memory = stored.open("memory", tmp_path)
    alone = images(TrainLoader(stream(stored, memory), 0))
    loader = TrainLoader(stream(stored, memory), 2)
    same(alone, images(loader))
    second = images(loader)  # the next epoch, by the same workers
    assert not np.array_equal(second[0], alone[0])


def test_ranks_share_every_batch(stored, store):
    whole, halves = images(stream(stored, store)), [images(stream(stored, store, rank=r, world=2)) for r in (0, 1)]
    for batch, first, second in zip(whole, *halves, strict=True):
        blurry = np.concatenate([first[:2], second[:2]])
        np.testing.assert_array_equal(batch[:4], blurry)


def test_validation_gives_the_plan_in_its_order(stored, store):
    few = stored.plan.select(np.arange(10))
    settings = LoaderSettings(size=16, batch=4, workers=0)
    batches = list(ValLoader(FrameStream(few, store, settings), 0))
    assert [len(batch["meta"]) for batch in batches] == [4, 4, 2]
    assert [meta["row"] for batch in batches for meta in batch["meta"]] == list(range(10))
    assert batches[0]["blurry"].is_contiguous(memory_format=torch.channels_last)


def test_windows_of_a_missing_video_are_replaced_and_told(stored, without):
    video = sorted(stored.frames)[0]
    batches = list(stream(stored, without(video)))
    told = [problem for batch in batches for problem in batch["replaced"] if problem]
    metas = [meta for batch in batches for meta in batch["meta"]]
    assert told and set(told) == {(video, "is gone")}
    assert all(meta["video"] != video for meta in metas)
    assert sum(meta["corpus"] == "A" for meta in metas) == 17


def test_nothing_left_to_take_its_place_is_an_error(stored, without):
    from facedeblur.video.source import VideoError

    video = sorted(stored.frames)[1]  # the only one of corpus B
    with pytest.raises(VideoError, match="no other video"):
        list(stream(stored, without(video)))
