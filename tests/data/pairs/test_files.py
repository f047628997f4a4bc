"""Pairs as files, read back by programs that know nothing of this one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.make_corpus import export_pairs
from facedeblur.data.pairs import files as pair_files
from facedeblur.data.pairs.files import PairFormat, Written, write_pairs
from facedeblur.data.pairs.pair import describe, read_pair
from facedeblur.data.pairs.store import INDEX, open_store
from facedeblur.data.plans.plan import Plan
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.sample_windows import MixtureRow
from facedeblur.data.stream.settings import LoaderSettings
from facedeblur.errors import UsageError
from facedeblur.processes import Failure

from ..conftest import plan_row

SIZE = 24


@pytest.fixture(scope="module")
def plan(clip_set):
    """Averages of two videos and kernels of one."""
    videos = sorted(clip_set.frames)
    rows = np.flatnonzero(np.isin(clip_set.plan.column("video"), videos[:2]))[::3]
    kernels = [plan_row(videos[2], f, 1, schedule="trajectory", kernel_seed=7 + f, stop="kernel") for f in (3, 40)]
    return Plan.concat([clip_set.plan.select(rows), Plan.from_rows(kernels)])


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(pair_files, "PART", 4)


def in_process(monkeypatch):
    """Parts are written in this process: quicker, and it can be interrupted."""
    monkeypatch.setattr(
        pair_files, "run_limited", lambda work, tasks, jobs, limit: ((i, work(task)) for i, task in enumerate(tasks))
    )


def expected(plan, row):
    return read_pair(describe(plan[row], row, SIZE, {}))


def image(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_folders_hold_every_pair_and_its_meta_data(plan, tmp_path, monkeypatch, small_parts):
    in_process(monkeypatch)
    assert write_pairs(plan, tmp_path, PairFormat("folders", "png", SIZE)) == Written(len(plan))
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert sorted(line["row"] for line in lines) == list(range(len(plan)))
    assert len({line["key"].split("/")[0] for line in lines}) > 1
    for line in lines[::5] + lines[-2:]:
        pair = expected(plan, line["row"])
        np.testing.assert_array_equal(image(tmp_path / "blurry" / f"{line['key']}.png"), pair.blurry)
        np.testing.assert_array_equal(image(tmp_path / "sharp" / f"{line['key']}.png"), pair.sharp)
        assert (line["video"], line["start"], line["length"]) == (
            pair.meta.video, pair.meta.start, pair.meta.length,
        )  # fmt: skip
        np.testing.assert_allclose(line["landmarks"], pair.meta.landmarks, atol=0.01)


def test_webdataset_reads_the_shards(plan, tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="the package webdataset is not installed")
    write_pairs(plan, tmp_path, PairFormat("shards", "png", SIZE))
    shards = sorted(str(path) for path in tmp_path.glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert sorted(int(sample["__key__"]) for sample in samples) == list(range(len(plan)))
    for sample in samples[::7]:
        pair = expected(plan, int(sample["__key__"]))
        np.testing.assert_array_equal(sample["blurry.png"], pair.blurry)
        np.testing.assert_array_equal(sample["sharp.png"], pair.sharp)
        assert sample["json"]["identity"] == pair.meta.identity


def test_what_was_interrupted_goes_on_and_equals_an_unbroken_export(plan, tmp_path, monkeypatch, small_parts):
    in_process(monkeypatch)
    form = PairFormat("shards", "jpeg", SIZE)
    write_pairs(plan, tmp_path / "whole", form)
    write, calls = pair_files._write_part, []

    def stops_at_third(part):
        calls.append(part.number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(part)

    monkeypatch.setattr(pair_files, "_write_part", stops_at_third)
    with pytest.raises(KeyboardInterrupt):
        write_pairs(plan, tmp_path / "broken", form)
    write_pairs(plan, tmp_path / "broken", form)
    assert sorted(calls[:2] + calls[3:]) == sorted(set(calls))  # none written twice
    write_pairs(plan, tmp_path / "broken", form)
    assert len(calls) == 1 + len(set(calls))  # and a finished export is left alone
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("whole", "broken")]
    assert files[0] == files[1]
    for name in files[0]:
        if name.endswith(".tar"):
            with tarfile.open(tmp_path / "whole" / name) as a, tarfile.open(tmp_path / "broken" / name) as b:
                assert [(m.name, a.extractfile(m).read()) for m in a] == [(m.name, b.extractfile(m).read()) for m in b]


def test_other_files_and_other_pairs_are_not_overwritten(plan, tmp_path, monkeypatch):
    in_process(monkeypatch)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    with pytest.raises(UsageError, match="mine: holds files that are no export"):
        write_pairs(plan, tmp_path / "mine", PairFormat("folders", "png", SIZE))
    write_pairs(plan.select([0, 1]), tmp_path / "two", PairFormat("folders", "png", SIZE))
    with pytest.raises(UsageError, match="two: holds pairs of another size"):
        write_pairs(plan.select([0, 1]), tmp_path / "two", PairFormat("folders", "png", SIZE + 1))


def test_a_video_that_cannot_be_read_is_reported(plan, tmp_path, monkeypatch):
    in_process(monkeypatch)
    gone = Plan.from_rows([plan_row(tmp_path / "gone.mp4", 0, 3)])
    form = PairFormat("shards", "png", SIZE)
    written = write_pairs(Plan.concat([plan, gone]), tmp_path / "out", form)
    assert [(video, "not found" in reason) for video, reason in written.skipped] == [(str(tmp_path / "gone.mp4"), True)]
    assert written.pairs == len(plan) and not written.failed
    assert write_pairs(Plan.concat([plan, gone]), tmp_path / "out", form) == written


def full_disk(monkeypatch):
    """The second part finds no space left."""

    def run(work, tasks, jobs, limit):
        for number, task in enumerate(tasks):
            yield number, Failure("OSError: [Errno 28] No space left on device") if task.number == 1 else work(task)

    monkeypatch.setattr(pair_files, "run_limited", run)


@pytest.mark.parametrize("layout", ("folders", "shards"))
def test_a_part_that_failed_is_counted_and_written_by_the_next_call(plan, tmp_path, monkeypatch, small_parts, layout):
    form = PairFormat(layout, "png", SIZE)
    full_disk(monkeypatch)
    written = write_pairs(plan, tmp_path, form)
    assert 0 < written.pairs < len(plan) and not written.skipped
    assert ["No space left" in reason for _, reason in written.failed] == [True]
    in_process(monkeypatch)
    assert write_pairs(plan, tmp_path, form) == Written(len(plan)) == write_pairs(plan, tmp_path, form)


def test_an_export_with_missing_parts_says_how_many_pairs_it_has(clip_set, plan, tmp_path, monkeypatch, small_parts):
    full_disk(monkeypatch)
    data = SimpleNamespace(export=tmp_path, export_layout="folders", export_image="png")
    lines, failed = export_pairs(data, SimpleNamespace(train=plan, val=plan, schedules=()), SIZE, 1)
    there = len((tmp_path / "train" / "pairs.jsonl").read_text().splitlines())
    assert lines[0].startswith(f"train: {there} of {len(plan)} pairs")
    assert len(failed) == 2 and str(tmp_path / "train") in failed[0] and "No space left" in failed[0]


@pytest.mark.parametrize("indexed", (False, True))
def test_a_cache_with_missing_parts_is_completed_by_the_next_call(plan, tmp_path, monkeypatch, small_parts, indexed):
    full_disk(monkeypatch)
    partial = open_store(plan, tmp_path, SIZE)
    missing = partial.index[:, 0] < 0
    assert missing.any() and not missing.all()
    if indexed:  # as they once were left
        np.save(Path(partial.folder) / INDEX, partial.index)
    in_process(monkeypatch)
    store = open_store(plan, tmp_path, SIZE)
    assert (store.index >= 0).all()
    row = int(np.flatnonzero(missing)[0])
    np.testing.assert_array_equal(store.read(row, "")[0], expected(plan, row).blurry)


def test_the_cache_gives_the_streams_pairs_to_the_bit(clip_set, tmp_path, monkeypatch):
    in_process(monkeypatch)
    settings = LoaderSettings(size=SIZE, batch=8, workers=0, seed=1, buffer=20, epoch_windows=40)
    mixture = (MixtureRow(None, (("pravg", 1.0), ("vla", 0.4)), weight=2.0),)
    store = open_store(clip_set.plan, tmp_path, SIZE)
    cached, plain = (PairStream(clip_set.plan, settings, mixture, store=s) for s in (store, None))
    for epoch in (0, 1):
        for stream in (cached, plain):
            stream.set_position(epoch)
        for a, b in zip(cached, plain, strict=True):
            assert (a["blurry"] == b["blurry"]).all() and (a["sharp"] == b["sharp"]).all()
            assert [m["row"] for m in a["meta"]] == [m["row"] for m in b["meta"]]
            assert a["replaced"] == b["replaced"] == [None] * 8


def test_the_cache_is_made_once_and_knows_what_it_could_not_read(plan, tmp_path, monkeypatch):
    in_process(monkeypatch)
    gone = Plan.from_rows([plan_row(tmp_path / "gone.mp4", 0, 3)])
    both = Plan.concat([plan, gone])
    store = open_store(both, tmp_path, SIZE, "jpeg", schedules=[named_schedule("trajectory")])
    monkeypatch.setattr("facedeblur.data.pairs.store.write_pairs", None)
    again = open_store(both, tmp_path, SIZE, "jpeg", schedules=[named_schedule("trajectory")])
    np.testing.assert_array_equal(store.index, again.index)
    assert store.bytes_per_pair() > 100
    stream = PairStream(both, LoaderSettings(size=SIZE, batch=4), store=again.select(np.arange(len(both))))
    problems = [problem for batch in stream for problem in batch["replaced"] if problem]
    assert [(video, reason.startswith("could not be read")) for video, reason in problems] == [
        (str(tmp_path / "gone.mp4"), True)
    ]


def test_one_missing_pair_costs_no_other_of_its_video(plan, tmp_path, monkeypatch):
    in_process(monkeypatch)
    store = open_store(plan, tmp_path, SIZE)
    store.index[1, 0] = -1
    batches = list(PairStream(plan, LoaderSettings(size=SIZE, batch=4), store=store))
    assert len([problem for batch in batches for problem in batch["replaced"] if problem]) == 1
