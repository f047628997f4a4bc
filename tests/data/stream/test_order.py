from __future__ import annotations

import numpy as np
import pytest

from facedeblur.data.stream.order import WorkerShare, reading_order, shuffle_buffer_order, split_evenly, worker_share


def test_lay_out_keeps_videos_together_and_forward(clip_set):
    plan = clip_set.plan
    chosen = np.random.default_rng(0).permutation(len(plan))[:70]
    rows = reading_order(plan, chosen, seed=0, epoch=0)
    assert sorted(rows) == sorted(chosen)
    video, start = plan.column("video")[rows], plan.column("start")[rows]
    assert (video[1:] != video[:-1]).sum() == len(set(video)) - 1
    assert all(np.diff(start[video == name]).min() >= 0 for name in set(video))


def test_video_order_is_shuffled_by_epoch(clip_set):
    plan, everything = clip_set.plan, np.arange(len(clip_set.plan))
    orders = {tuple(dict.fromkeys(plan.column("video")[reading_order(plan, everything, 0, e)])) for e in range(6)}
    assert len(orders) > 1
    fixed = reading_order(plan, everything, 0, 3, shuffle=False)
    assert list(dict.fromkeys(plan.column("video")[fixed])) == sorted(clip_set.frames)


@pytest.mark.parametrize(("total", "parts"), [(48, 4), (37, 3), (2, 4), (0, 2)])
def test_cut_covers_everything_once(total, parts):
    slices = split_evenly(total, parts)
    assert [i for s in slices for i in range(total)[s]] == list(range(total))
    sizes = [s.stop - s.start for s in slices]
    assert sizes == sorted(sizes, reverse=True) and max(sizes) - min(sizes) < 2


@pytest.mark.parametrize("buffer", [1, 2, 8, 1000])
def test_leaving_order_is_a_permutation_within_the_buffer(buffer):
    order = shuffle_buffer_order(200, buffer, np.random.default_rng(0))
    assert sorted(order) == list(range(200))
    place = np.argsort(order)
    assert (np.arange(200) - place < buffer).all()
    if buffer == 1:
        assert order.tolist() == list(range(200))


def test_leaving_order_mixes_and_starts_before_the_buffer_is_full():
    order = shuffle_buffer_order(2000, 400, np.random.default_rng(0))
    assert order[0] < 100
    assert np.abs(order - np.arange(2000))[:1500].mean() > 100


def test_golden_leaving_order():
    assert shuffle_buffer_order(8, 4, np.random.default_rng(0)).tolist() == [0, 1, 2, 4, 7, 5, 3, 6]


def test_worker_parts_are_even_and_read_forward(clip_set):
    plan = clip_set.plan
    rows = reading_order(plan, np.arange(88), 0, 0)
    parts = [worker_share(plan, rows, 0, 0, rank=0, worker=w, workers=3, buffer=16) for w in range(3)]
    assert [len(part.emit) for part in parts] == [30, 29, 29]
    assert sorted(np.concatenate([part.emit for part in parts])) == list(range(88))
    stop = plan.column("start") + plan.column("length")
    for part in parts:
        assert sorted(part.read) == sorted(part.emit)
        for name in set(plan.column("video")[part.read]):
            assert np.diff(stop[part.read][plan.column("video")[part.read] == name]).min(initial=0) >= 0


def test_skipping_drops_what_has_left_and_keeps_both_orders():
    part = WorkerShare(np.array([5, 6, 7, 8, 9]), np.array([7, 5, 9, 6, 8])).skip(2)
    assert part.emit.tolist() == [9, 6, 8]
    assert part.read.tolist() == [6, 8, 9]
    assert len(part.skip(3).read) == 0
