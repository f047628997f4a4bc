from __future__ import annotations

import gc
import shutil
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import zip_longest
from types import SimpleNamespace

import pytest
import torch

from facedeblur.data.pairs import pair as pair_module
from facedeblur.data.pairs.augment import AugmentSettings
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream import epoch_stream
from facedeblur.data.stream.interleave import interleave
from facedeblur.data.stream.loader import TrainLoader, ValLoader
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.video.source import VideoError

from ...array_source import ArraySource
from ..conftest import plan_row

MIXTURE = (
    MixtureRow(None, (("pravg", 1.0), ("vla", 0.4)), weight=2.0),
    MixtureRow(None, (("pravg", 1.0),), reverse=True, weight=1.0),
)
SETTINGS = LoaderSettings(size=16, batch=8, workers=0, seed=1, buffer=20, epoch_windows=62)
AUGMENT = AugmentSettings(flip=0.5, photometric=0.5, noise=0.5)


def batches_of(monkeypatch, stream: PairStream, workers: int, epoch: int = 0, first: int = 0) -> list[dict]:
    """What a loader with so many workers would give: batches interleaved from their packs in turn, in this process."""
    stream.set_position(epoch, first)
    running = []
    for worker in range(workers):
        monkeypatch.setattr(
            epoch_stream, "get_worker_info", lambda w=worker: SimpleNamespace(id=w, num_workers=workers)
        )
        running.append(iter(stream))
    monkeypatch.undo()
    packs = (pack for turn in zip_longest(*running) for pack in turn if pack is not None)
    return list(interleave(packs, workers, stream.batch))


def problems_of(batches: list[dict]) -> list[tuple[str, str]]:
    return [problem for batch in batches for problem in batch["replaced"] if problem is not None]


def rows_of(batches: list[dict]) -> list[int]:
    return [meta["row"] for batch in batches for meta in batch["meta"]]


def assert_equal_batches(first: list[dict], second: list[dict]) -> None:
    assert rows_of(first) == rows_of(second)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a["blurry"], b["blurry"])
        assert torch.equal(a["sharp"], b["sharp"])


def test_batches_have_the_promised_form(clip_set):
    batch = next(iter(PairStream(clip_set.plan, SETTINGS, MIXTURE)))
    for name in ("blurry", "sharp"):
        assert batch[name].shape == (8, 3, 16, 16)
        assert batch[name].dtype == torch.uint8
        assert batch[name].is_contiguous(memory_format=torch.channels_last)
    assert len(batch["meta"]) == 8
    assert batch["replaced"] == [None] * 8
    for i, meta in enumerate(batch["meta"]):
        pair = read_pair(describe(clip_set.plan[meta["row"]], meta["row"], 16, {}))
        assert torch.equal(batch["blurry"][i], torch.from_numpy(pair.blurry).permute(2, 0, 1))
        assert torch.equal(batch["sharp"][i], torch.from_numpy(pair.sharp).permute(2, 0, 1))


@pytest.mark.parametrize(("world", "workers"), [(1, 1), (1, 3), (2, 2), (4, 1)])
def test_ranks_and_workers_share_the_epoch_without_gap_or_repetition(clip_set, monkeypatch, world, workers):
    whole = rows_of(batches_of(monkeypatch, PairStream(clip_set.plan, SETTINGS, MIXTURE), 1))
    shares = []
    for rank in range(world):
        stream = PairStream(clip_set.plan, SETTINGS, MIXTURE, rank=rank, world=world)
        batches = batches_of(monkeypatch, stream, workers)
        assert len(batches) == len(stream) == 62 // 8
        assert {len(batch["meta"]) for batch in batches} == {8 // world}
        assert stream.remainder == 62 % 8
        shares += rows_of(batches)
    assert len(shares) == len(set(shares)) == 56
    assert set(shares) == set(whole)


def test_epochs_differ_and_repeat(clip_set, monkeypatch):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE, AUGMENT)
    epochs = [batches_of(monkeypatch, stream, 2, epoch) for epoch in (0, 1, 0)]
    assert set(rows_of(epochs[0])) != set(rows_of(epochs[1]))
    assert_equal_batches(epochs[0], epochs[2])
    other = PairStream(clip_set.plan, replace(SETTINGS, seed=2), MIXTURE, AUGMENT)
    assert set(rows_of(batches_of(monkeypatch, other, 2))) != set(rows_of(epochs[0]))


def test_an_item_is_the_same_whoever_reads_it(clip_set, monkeypatch):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE, AUGMENT)
    found = []
    for workers in (1, 3):
        batches = batches_of(monkeypatch, stream, workers)
        found.append({m["row"]: b["blurry"][i] for b in batches for i, m in enumerate(b["meta"])})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][row], found[1][row]) for row in found[0])


@pytest.mark.parametrize("workers", [1, 3])
def test_resuming_at_any_batch_goes_on_alike(clip_set, monkeypatch, workers):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE, AUGMENT)
    whole = batches_of(monkeypatch, stream, workers, epoch=2)
    for first in range(len(stream) + 1):
        assert_equal_batches(batches_of(monkeypatch, stream, workers, 2, first), whole[first:])


def test_resuming_reads_no_window_that_has_left(clip_set, monkeypatch):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE)
    asked = []
    read_cuts = pair_module.read_cuts
    monkeypatch.setattr(pair_module, "read_cuts", lambda *a: asked.append(len(a[2])) or read_cuts(*a))
    list(stream)
    assert sum(asked) == 56
    asked.clear()
    stream.set_position(0, 4)
    list(stream)
    assert sum(asked) == 56 - 4 * 8


def test_every_video_is_opened_once_per_epoch(clip_set, monkeypatch):
    opened = Counter()
    open_video = pair_module.open_video
    monkeypatch.setattr(pair_module, "open_video", lambda meta: opened.update([meta.video]) or open_video(meta))
    list(PairStream(clip_set.plan, SETTINGS, MIXTURE))
    assert set(opened.values()) == {1}
    assert set(opened) == set(clip_set.frames)


def test_without_a_mixture_everything_in_order(clip_set):
    plan = clip_set.plan.select(range(30, 71))
    batches = list(PairStream(plan, SETTINGS))
    assert [len(batch["meta"]) for batch in batches] == [8, 8, 8, 8, 8, 1]
    assert sorted(rows_of(batches)) == list(range(41))
    shares = [rows_of(list(PairStream(plan, SETTINGS, rank=rank, world=2))) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == list(range(41))


def broken_copy(clip_set, folder, damage) -> tuple[Plan, str]:
    """The plan with its second video replaced by a damaged copy."""
    names = sorted(clip_set.frames)
    copy = folder / "broken.mp4"
    shutil.copy(names[1], copy)
    damage(copy)
    plan = clip_set.plan
    table = [
        {**row, "landmarks": points}
        for row, points in zip(plan.table.to_pylist(), plan.column("landmarks"), strict=True)
    ]
    rows = [row | {"video": str(copy)} if row["video"] == names[1] else row for row in table]
    return Plan.from_rows(rows), str(copy)


@pytest.mark.parametrize("workers", [1, 2])
def test_windows_of_a_broken_video_are_replaced_and_counted(clip_set, tmp_path, monkeypatch, workers):
    plan, broken = broken_copy(clip_set, tmp_path, lambda path: path.write_bytes(b"not a video"))
    stream = PairStream(plan, SETTINGS, MIXTURE)
    batches = batches_of(monkeypatch, stream, workers)
    rows = rows_of(batches)
    assert [len(batch["meta"]) for batch in batches] == [8] * 7
    assert broken not in set(plan.column("video")[rows])
    replaced = problems_of(batches)
    wanted = rows_of(batches_of(monkeypatch, PairStream(clip_set.plan, SETTINGS, MIXTURE), workers))
    lost = [row for row in wanted if plan.column("video")[row] == broken]
    assert len(replaced) == len(lost) > 3
    assert {video for video, _ in replaced} == {broken}
    assert all(reason for _, reason in replaced)
    kinds = Counter(zip(plan.column("schedule")[rows], plan.column("reverse")[rows], strict=True))
    assert kinds == Counter(zip(plan.column("schedule")[wanted], plan.column("reverse")[wanted], strict=True))
    resumed = batches_of(monkeypatch, stream, workers, 0, 3)
    assert_equal_batches(resumed, batches[3:])
    assert [batch["replaced"] for batch in resumed] == [batch["replaced"] for batch in batches[3:]]


def test_windows_before_the_damage_are_kept(clip_set, monkeypatch):
    short = min(clip_set.frames)
    frames = clip_set.frames | {short: clip_set.frames[short][:20]}
    monkeypatch.setattr(pair_module, "open_video", lambda meta: ArraySource(frames[meta.video]))
    batches = list(PairStream(clip_set.plan, SETTINGS, MIXTURE))
    kept = [meta for batch in batches for meta in batch["meta"] if meta["video"] == short]
    assert kept
    assert all(meta["start"] + meta["length"] <= 20 for meta in kept)
    assert [(video, reason[:20]) for video, reason in set(problems_of(batches))] == [(short, "ends at frame 20, bu")]


def test_nothing_readable_is_an_error():
    plan = Plan.from_rows([plan_row(f"/nowhere/{i}.mp4", 0, 7) for i in range(20)])
    with pytest.raises(VideoError, match=r"/nowhere/\d+.mp4: .*no other video of corpus A, schedule pravg can be read"):
        list(PairStream(plan, SETTINGS, (MixtureRow(weight=1.0),)))


def test_batch_must_suit_the_ranks(clip_set):
    with pytest.raises(ValueError, match="batch: a multiple of 3 rank"):
        PairStream(clip_set.plan, SETTINGS, MIXTURE, world=3)
    with pytest.raises(ValueError, match="at least 2 each, got 8"):
        PairStream(clip_set.plan, SETTINGS, MIXTURE, world=8)


def test_worker_processes_give_the_same_and_hear_of_the_next_epoch(clip_set, monkeypatch):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE, AUGMENT)
    truth = [batches_of(monkeypatch, stream, 2, epoch) for epoch in range(2)]
    state = torch.get_rng_state()
    loader = TrainLoader(stream, workers=2)
    loader.set_position(0, 2)
    assert len(loader) == 5
    assert_equal_batches(list(loader), truth[0][2:])
    assert (loader.epoch, loader.batch, len(loader)) == (1, 0, 7)
    assert_equal_batches(list(loader), truth[1])
    loader.set_position(0, 6)
    assert_equal_batches(list(loader), truth[0][6:])
    assert torch.equal(torch.get_rng_state(), state)
    val = ValLoader(PairStream(clip_set.plan.select(range(20)), SETTINGS), workers=2)
    assert_equal_batches(list(val), list(val))
    assert len(list(val)) == len(val) == 3


def test_loader_in_this_process_begins_once_and_goes_on(clip_set):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE)
    loader = TrainLoader(stream, workers=0)
    iter(loader)
    first = next(iter(loader))
    second = next(iter(loader))
    stream.set_position(0, 0)
    assert_equal_batches([first, second], list(stream)[:2])
    assert (loader.epoch, loader.batch) == (0, 2)
    loader.set_position(4, 7)
    assert (loader.epoch, loader.batch) == (5, 0)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"size": 1}, "size"), ({"batch": 0}, "batch"), ({"workers": -1}, "workers"), ({"buffer": 0}, "buffer"),
     ({"seed": -1}, "seed"), ({"strength": -0.1}, "strength"), ({"epoch_windows": 0}, "epoch_windows"),
     ({"val_windows": 2.5}, "val_windows"), ({"strength": float("nan")}, "strength")],
)  # fmt: skip
def test_settings_validate(values, field):
    with pytest.raises(ValueError, match=f"^{field}:"):
        LoaderSettings(**values)


def test_epochs_leave_no_memory_behind(clip_set):
    stream = PairStream(clip_set.plan, SETTINGS, MIXTURE)
    left = []
    tracemalloc.start()
    for epoch in range(5):
        stream.set_position(epoch)
        for _ in stream:
            pass
        gc.collect()
        left.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert left[-1] - left[0] < 56 * 2 * 16 * 16 * 3  # the images of one epoch; caches may still fill
