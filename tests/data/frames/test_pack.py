from __future__ import annotations

import json
import os

import numpy as np
import pytest

from facedeblur.data.frames.items import ItemMaker
from facedeblur.data.frames.pack import PackError, needed_runs, read_pack, read_plans, write_pack
from facedeblur.data.plans.report import PlanReport


@pytest.fixture
def pack(stored, store, tmp_path):
    """A folder with both splits, of the same windows."""
    for split in ("train", "val"):
        write_pack(tmp_path / split, store, stored.plan, PlanReport.of(stored.plan, 3, ()))
    return tmp_path


def test_a_pack_holds_the_faces_and_their_windows(stored, store, pack):
    again = read_pack(pack / "train", 16)
    assert np.abs(again.tiles.astype(int) - store.tiles).mean() < 3 and not again.missing  # JPEG
    plans, reports = read_plans(pack)
    assert plans["train"].fingerprint() == stored.plan.fingerprint() and reports["val"].videos == 3
    ours, theirs = (ItemMaker(stored.plan, each, 16, {}) for each in (again, store))
    a, b = (maker.pair(maker.item(20, 0)) for maker in (ours, theirs))
    assert np.abs(a.blurry.astype(int) - b.blurry).mean() < 3
    np.testing.assert_array_equal(a.meta.landmarks, b.meta.landmarks)


def test_it_takes_a_fraction_of_the_store(store, pack):
    size = sum(file.stat().st_size for file in (pack / "train").iterdir())
    assert os.path.getsize(pack / "train" / "tiles.jpegs") < 0.5 * store.tiles.nbytes < 10 * size


@pytest.mark.parametrize("damage", ["flipped", "cut off"])
def test_damaged_videos_are_left_out_and_told(store, pack, damage):
    file = pack / "train" / "tiles.jpegs"
    if damage == "cut off":
        os.truncate(file, file.stat().st_size - 50)
    else:
        data = bytearray(file.read_bytes())
        data[-50] ^= 0x10
        file.write_bytes(data)
    again = read_pack(pack / "train", 16)
    last = str(store.index.videos[-1])
    assert set(again.missing) == {last} and "damaged" in again.missing[last]


@pytest.mark.parametrize(
    "damage", ["no folder", "pack.json cut off", "pack.json without sizes", "another format", "index.npz cut off"]
)
def test_a_folder_that_is_no_pack_is_refused_in_one_line(pack, damage):
    told = pack / "train" / "pack.json"
    if damage == "no folder":
        told.unlink()
    elif damage == "pack.json cut off":
        told.write_text(told.read_text()[:30])
    elif damage == "pack.json without sizes":
        told.write_text(json.dumps({"format": 1, "tiles": {}}))
    elif damage == "another format":
        told.write_text(json.dumps(json.loads(told.read_text()) | {"format": 99}))
    else:
        os.truncate(pack / "train" / "index.npz", 100)
    with pytest.raises(PackError) as error:
        read_pack(pack / "train", 16)
    assert "\n" not in str(error.value) and str(pack / "train") in str(error.value)


def test_faces_are_not_enlarged_unasked(pack):
    """They have 1.5 pixels for one of the 16 they were packed for."""
    assert len(read_pack(pack / "train", 24).index)
    with pytest.raises(PackError, match=r"train: its faces have 24 pixels, too few for images of 25; .*image_size=25"):
        read_pack(pack / "train", 25)


def test_faces_that_do_not_fit_into_the_memory_are_refused_with_the_figure(pack, store, monkeypatch):
    monkeypatch.setattr("facedeblur.data.frames.pack.free_memory", lambda: store.tiles.nbytes - 1)
    with pytest.raises(PackError, match=rf"{len(store.index)} packed faces take \S+ GB, more than the free"):
        read_pack(pack / "train", 16)


def test_runs_are_cut_to_what_windows_need(stored):
    few = stored.plan.select(np.flatnonzero((stored.plan.column("start") == 14) & (stored.plan.column("length") > 1)))
    cut = needed_runs(list(stored.runs), few)
    assert [(run.first, len(run.landmarks)) for run in cut] == [(14, 9)] * 3
    np.testing.assert_array_equal(cut[0].landmarks, stored.runs[0].landmarks[14:23])
