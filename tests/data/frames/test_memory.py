"""One store in memory for a process and those that it starts."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from facedeblur.data.frames import memory
from facedeblur.data.frames.store import open_frames

needs_memfd = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no files in memory on this system")


@pytest.fixture
def as_child(monkeypatch):
    """This process looks into itself as if it had started itself."""
    monkeypatch.setattr(memory.os, "getppid", os.getpid)


@needs_memfd
def test_a_file_is_shared_once_it_is_complete_and_while_it_lives(as_child):
    path, owner = memory.anonymous(10, "abc")
    assert memory.of_parent(10, "abc") is None  # still being filled
    memory.complete(path, {"a.mp4": "is gone"})
    shared, other, missing = memory.of_parent(10, "abc")
    assert missing == {"a.mp4": "is gone"} and os.path.samefile(shared, path) and shared != path
    assert memory.of_parent(10, "ab") is None
    del owner
    assert not os.path.exists(path) and os.path.getsize(shared) > 10  # who shares it keeps it
    del other
    assert memory.of_parent(10, "abc") is None


@needs_memfd
def test_the_processes_that_this_one_starts_decode_nothing_again(stored, tmp_path):
    mine = stored.open("memory", tmp_path)
    program = (
        "import os, pickle, sys, facedeblur.data.frames.store as module\n"
        "module.fill = None\n"  # to call it fails
        "index, settings = pickle.load(sys.stdin.buffer)\n"
        "store = module.open_frames(index, settings, 'memory', 'nowhere')\n"
        "print(os.stat(store.path).st_ino, int(store.tiles.astype('int64').sum()), store.missing)\n"
    )
    given = pickle.dumps((stored.index, stored.settings))
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, timeout=60)
    total = int(mine.tiles.astype(np.int64).sum())
    assert done.stdout.decode().split("\n")[0] == f"{os.stat(mine.path).st_ino} {total} {{}}", done.stderr.decode()


@needs_memfd
def test_others_have_a_store_of_their_own(stored, tmp_path):
    """Without a parent that has it, every call decodes: two stores in one process are two."""
    one, two = (open_frames(stored.index, stored.settings, "memory", tmp_path) for _ in range(2))
    assert os.stat(one.path).st_ino != os.stat(two.path).st_ino
    np.testing.assert_array_equal(one.tiles, two.tiles)
