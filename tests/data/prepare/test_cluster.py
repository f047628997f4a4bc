"""Preparation in shards: nothing is lost or done twice, and a failing task is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import Clip
from facedeblur.data.prepare import cluster
from facedeblur.data.prepare.cluster import prepare_shard, run_shards, split
from facedeblur.data.prepare.job import Preparation, PrepareError
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.prepare.settings import ClusterSettings, PrepareSettings

from .test_prepare import write_clip

SCHEDULES = (named_schedule("pravg7"),)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for number in range(3):
        write_clip(root / f"{number}.mp4", 16 + number, seed=number + 1)
    (root / "3.mp4").write_bytes(b"nothing")
    return tuple(Clip(str(root / f"{number}.mp4"), "clips", str(number), "train") for number in range(4))


def job(clips, cache, where="local", shards=2) -> Preparation:
    return Preparation(clips, SCHEDULES, cache, settings=PrepareSettings(cluster=ClusterSettings(where, shards)))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_every_clip_is_in_one_shard(clips, tmp_path, count):
    twice = (*clips, replace(clips[0], corpus="other"))
    shards = split(job(twice, tmp_path), count)
    assert len(shards) == min(count, 4)
    dealt = [clip for shard in shards for clip in shard.clips]
    assert sorted(dealt, key=repr) == sorted(twice, key=repr)
    paths = [{clip.path for clip in shard.clips} for shard in shards]
    assert sum(map(len, paths)) == 4 and set.union(*paths) == {clip.path for clip in twice}
    assert all(shard.settings.cluster.where == "here" and shard.cache.is_absolute() for shard in shards)


def test_shards_fill_the_cache_that_the_caller_joins(clips, tmp_path, monkeypatch):
    whole, report = prepare_plan(clips, SCHEDULES, tmp_path / "whole")
    parts = job(clips, tmp_path / "parts")
    assert [prepare_shard(shard, 1) for shard in split(parts, 2)] == [2, 1]
    made = sorted((tmp_path / "parts" / "windows").iterdir())
    joined, other = prepare_plan(clips, SCHEDULES, tmp_path / "parts")
    assert sorted((tmp_path / "parts" / "windows").iterdir()) == made
    assert joined.table.equals(whole.table) and other == report


@pytest.mark.system
def test_an_array_of_local_processes_gives_the_same_plan(clips, tmp_path):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    whole, report = prepare_plan(clips, SCHEDULES, tmp_path / "whole")
    told = []
    settings = job(clips, tmp_path).settings
    joined, other = prepare_plan(
        clips, SCHEDULES, tmp_path / "array", settings=settings, progress=lambda *call: told.append(call)
    )
    assert joined.table.equals(whole.table) and other == report
    assert [call[1:3] for call in told if call[0] == "shards"] == [(1, 2), (2, 2)]


@pytest.mark.system
def test_a_task_that_fails_is_named_and_its_logs_are_kept(clips, tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs the extra slurm")
    monkeypatch.setattr(cluster, "prepare_shard", fail)
    with pytest.raises(PrepareError, match=r"^task \S+ failed: OSError: the disk is gone; its output is in .*cluster;"):
        run_shards(job(clips, tmp_path), 1, lambda *told: None)
    assert any((Path(tmp_path) / "cluster").iterdir())


def fail(shard: Preparation, jobs: int) -> int:
    raise OSError("the disk is gone")


@pytest.mark.parametrize(("where", "library"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_library_is_one_line(clips, tmp_path, monkeypatch, where, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(PrepareError, match=rf"{library} cannot be imported"):
        run_shards(job(clips, tmp_path, where), 1, lambda *told: None)
