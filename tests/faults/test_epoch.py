"""What happens to files and processes while an epoch runs."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import struct
import time
from pathlib import Path

import pytest

from facedeblur import processes as children
from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import discover
from facedeblur.data.prepare.prepare import prepare_plan
from facedeblur.data.stream.loader import ValLoader
from facedeblur.data.stream.pair_stream import PairStream
from facedeblur.data.stream.settings import LoaderSettings

from .files import FRAMES, annotate, encode, film, landmarks, noise

CLIPS = 4


@pytest.fixture
def corpus(tmp_path):
    """(paths, plan) of four clips."""
    whole = encode(tmp_path / "0" / "0.mp4", film())
    annotate(whole, landmarks())
    for number in range(1, CLIPS):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(whole, folder / f"{number}.mp4")
        shutil.copy(whole.with_suffix(".npz"), folder / f"{number}.npz")
    clips = discover(tmp_path, val_fraction=0.0)
    plan, _ = prepare_plan(clips, [named_schedule("pravg7", stride=2)], tmp_path / ".cache", jobs=2)
    return [clip.path for clip in clips], plan


def replace_like(path: Path) -> None:
    """Another video in its place, of as many frames, as many bytes and the same time of change."""
    before = path.stat()
    encode(path, noise())
    missing = before.st_size - path.stat().st_size
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", missing, b"free").ljust(missing, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


FAULTS = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "replaced by text": lambda path: path.write_text("no video\n" * 500),
    "replaced by a shorter video": lambda path: encode(path, film(FRAMES // 2)),
    "replaced by a video of as many frames": lambda path: encode(path, noise()),
    "replaced by a video of as many frames and bytes": replace_like,
    "replaced by a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_changes_during_an_epoch_costs_its_own_windows(corpus, fault):
    paths, plan = corpus
    stream = PairStream(plan, LoaderSettings(size=32, batch=4, workers=0))
    batches = iter(stream)
    seen = [next(batches)]  # the first video is open by now
    FAULTS[fault](Path(paths[2]))
    seen += list(batches)
    replaced = [problem for batch in seen for problem in batch["replaced"] if problem]
    windows = sum(plan.column("video") == paths[2])
    assert sum(len(batch["meta"]) for batch in seen) == len(plan)
    assert {video for video, _ in replaced} == {paths[2]} and all(reason for _, reason in replaced)
    assert 0 < len(replaced) <= windows
    assert all(meta["video"] != paths[2] for batch in seen[-1:] for meta in batch["meta"])


def test_a_copy_of_a_file_is_the_same_file(corpus):
    """As on another machine, whose copies have other times."""
    paths, plan = corpus
    before = Path(paths[2]).stat()
    shutil.copy(paths[2], paths[2] + ".copy")
    os.replace(paths[2] + ".copy", paths[2])
    assert Path(paths[2]).stat().st_mtime_ns != before.st_mtime_ns
    batches = list(PairStream(plan, LoaderSettings(size=32, batch=4, workers=0)))
    assert not any(problem for batch in batches for problem in batch["replaced"])
    assert {meta["video"] for batch in batches for meta in batch["meta"]} == set(paths)


def test_a_worker_that_is_killed_ends_the_epoch_with_a_message_that_names_it(corpus):
    _, plan = corpus
    loader = ValLoader(PairStream(plan, LoaderSettings(size=32, batch=2, workers=1)), workers=1)
    batches = iter(loader)
    next(batches)
    (worker,) = [child for child in multiprocessing.active_children() if type(child).__name__ == "ForkServerProcess"]
    os.kill(worker.pid, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"worker \(pid\(?s?\)? {worker.pid}\)"):
        for _ in batches:
            pass
    assert time.monotonic() - start < 60


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_decoder_that_hangs_holds_nobody_else_up():
    """The watchdog: everything else is done before the hanging task's time is up, and that is all it costs."""
    order = [task for task, _ in children.run_limited(nap, [60.0, *[0.0] * 20], jobs=2, limit=lambda task: 3.0)]
    assert order[-1] == 0 and sorted(order) == list(range(21))


def test_a_worker_killed_while_it_prepares_is_replaced(corpus, tmp_path, monkeypatch):
    """Every child is killed once it has begun; the plan is the same."""
    from facedeblur.faces import tracking

    _, plan = corpus
    clips = discover(tmp_path, val_fraction=0.0)
    monkeypatch.setattr(tracking, "track_into", killed_once)
    monkeypatch.setenv("FAULTS_MARKERS", str(tmp_path))
    again, report = prepare_plan(clips, [named_schedule("pravg7", stride=2)], tmp_path / ".other", jobs=2)
    assert (tmp_path / "killed").exists()
    assert report.skipped == () and again.table.equals(plan.table)


def killed_once(task):
    from facedeblur.faces import tracking

    marker = Path(os.environ["FAULTS_MARKERS"]) / "killed"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return tracking.track_into(task)
