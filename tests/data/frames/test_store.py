from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from facedeblur.data.frames.fill import write_tiles
from facedeblur.data.frames.index import FrameIndex
from facedeblur.data.frames.store import FrameStore, damaged, does_not_fit, store_folder
from facedeblur.data.frames.tiles import cut_tile


def test_tiles_are_those_of_the_frames(stored, store):
    index = store.index
    assert len(index) == sum(len(run.landmarks) for run in stored.runs) and not store.missing
    for run in range(len(stored.runs)):
        video = str(index.videos[index.run_video[run]])
        for place in (0, 20, 44):
            row = int(index.run_row[run]) + place
            truth = cut_tile(
                stored.frames[video][place], float(index.run_scale[run]), index.offsets[row], store.settings.side
            )
            np.testing.assert_array_equal(store.tiles[row], truth)


def test_memory_and_disk_hold_the_same(stored, store, tmp_path):
    memory = stored.open("memory", tmp_path)
    np.testing.assert_array_equal(memory.tiles, store.tiles)
    assert not list(tmp_path.iterdir()), "memory leaves nothing on the disk"


def test_memory_can_be_read_by_another_process_and_ends_with_its_owner(stored, tmp_path):
    memory = stored.open("memory", tmp_path)
    sent, path = pickle.dumps(memory), memory.path
    program = "import pickle, sys; print(int(pickle.load(sys.stdin.buffer).tiles.astype('int64').sum()))"
    read = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True, timeout=60)
    assert int(read.stdout) == int(memory.tiles.astype(np.int64).sum())
    del memory
    assert not os.path.exists(path)


def test_an_index_survives_the_disk(stored, tmp_path):
    stored.index.write(tmp_path / "index.npz")
    again = FrameIndex.read(tmp_path / "index.npz")
    assert again.fingerprint(stored.settings) == stored.index.fingerprint(stored.settings)
    (tmp_path / "index.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match="index.npz"):
        FrameIndex.read(tmp_path / "index.npz")


@pytest.fixture
def counted(monkeypatch):
    """The videos that are decoded, in this process."""
    import facedeblur.data.frames.fill as module

    decoded = []

    def run(work, tasks, jobs, limit):
        for number, task in enumerate(tasks):
            decoded.append(str(task.index.videos[0]))
            yield number, work(task)

    monkeypatch.setattr(module, "run_limited", run)
    return decoded


def test_what_is_whole_is_not_decoded_again(stored, tmp_path, counted):
    stored.open("disk", tmp_path)
    assert sorted(counted) == sorted(stored.index.videos.tolist())
    counted.clear()
    stored.open("disk", tmp_path)
    assert counted == []


@pytest.mark.parametrize("damage", ["flipped", "cut off", "state cut off", "killed while writing", "tiles gone"])
def test_what_is_damaged_is_decoded_again_and_nothing_else(stored, store, tmp_path, counted, damage):
    stored.open("disk", tmp_path)
    counted.clear()
    folder = store_folder(stored.index, stored.settings, tmp_path)
    tiles, state = folder / "tiles.u8", folder / "state.json"
    last, every = str(stored.index.videos[-1]), stored.index.videos.tolist()
    expected = [last]
    if damage == "flipped":
        with tiles.open("r+b") as file:
            file.seek(-1000, 2)
            byte = file.read(1)
            file.seek(-1000, 2)
            file.write(bytes([byte[0] ^ 1]))
    elif damage == "cut off":
        os.truncate(tiles, tiles.stat().st_size - 100)
    elif damage == "killed while writing":
        sums = json.loads(state.read_text())
        del sums["checksums"][last]
        state.write_text(json.dumps(sums))
    elif damage == "state cut off":
        state.write_text(state.read_text()[:40])
        expected = every
    else:
        tiles.unlink()
        expected = every
    again = stored.open("disk", tmp_path)
    assert sorted(counted) == sorted(expected)
    np.testing.assert_array_equal(again.tiles, store.tiles)


def test_a_video_that_cannot_be_read_is_named_and_tried_again(stored, tmp_path, counted, monkeypatch):
    import facedeblur.data.frames.fill as module

    broken = str(stored.index.videos[0])
    real = write_tiles
    monkeypatch.setattr(module, "write_tiles", lambda task: "is gone" if task.index.videos[0] == broken else real(task))
    assert stored.open("disk", tmp_path).missing == {broken: "is gone"}
    monkeypatch.setattr(module, "write_tiles", real)
    counted.clear()
    assert stored.open("disk", tmp_path).missing == {}
    assert counted == [broken]


def test_a_store_that_does_not_fit_says_by_how_much(stored, tmp_path, monkeypatch):
    import facedeblur.data.frames.store as module

    gigabytes = len(stored.index) * 3 * stored.settings.side**2 / 1e9
    told = does_not_fit(stored.index, stored.settings, "memory", tmp_path, gigabytes / 2)
    assert f"{len(stored.index)} faces" in told and "data.frames_limit" in told and "stream" in told
    assert does_not_fit(stored.index, stored.settings, "memory", tmp_path, 2 * gigabytes) is None
    monkeypatch.setattr(module, "bytes_free", lambda keep, cache: 1000)
    assert "free disk" in does_not_fit(stored.index, stored.settings, "disk", tmp_path, None)


def test_checksums_cover_every_video(stored, store):
    folder = os.path.dirname(store.path)
    with open(os.path.join(folder, "state.json")) as state:
        sums = json.load(state)["checksums"]
    assert damaged(store.path, store.index, store.settings, sums) == []
    assert isinstance(store, FrameStore) and set(sums) == set(store.index.videos.tolist())
