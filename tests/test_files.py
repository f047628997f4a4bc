"""Writing all of a file or nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

import pytest

from facedeblur.errors import UsageError
from facedeblur.files import check_place, remove_leftovers, shown, write_atomic, write_pieces


def test_an_atomic_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "folder" / "a.txt"
    write_atomic(file, lambda path: path.write_text("old"))

    def fail(path):
        path.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(file, fail)
    assert file.read_text() == "old" and list(file.parent.iterdir()) == [file]


def test_names_are_shown_on_one_line():
    assert shown("Ünï 'quote' 漢.mp4") == "Ünï 'quote' 漢.mp4"
    assert shown("a\nb\t\x1b[0m\udcff") == "a\\nb\\t\\x1b[0m\\udcff"


def test_pieces_make_the_file_again(tmp_path):
    data = bytes(range(256)) * 10
    (tmp_path / "weights.bin").write_bytes(data)
    (tmp_path / "weights.bin.007").write_bytes(b"of an earlier, longer file")
    pieces = write_pieces(tmp_path / "weights.bin", 1000)
    assert [piece.name for piece in pieces] == ["weights.bin.000", "weights.bin.001", "weights.bin.002"]
    assert sorted(tmp_path.glob("weights.bin.0*")) == pieces
    assert b"".join(piece.read_bytes() for piece in pieces) == data
    assert max(piece.stat().st_size for piece in pieces) <= 1000
    digest, name = (tmp_path / "weights.bin.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(data).hexdigest(), "weights.bin")


KILLED = """
import os, signal, sys
from pathlib import Path
from facedeblur.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a b.txt"], check=False)
    (left,) = tmp_path.iterdir()
    kept = [f".{os.getpid()}-0123abcd-mine", ".hidden-file", f"{left.name[1:]}", ".12-nothex00-x"]
    for name in kept:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert left.exists(), "it is not a minute old: another machine may be writing it"
    os.utime(left, (time.time() - 61,) * 2)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_a_place_is_tried_before_it_is_needed(tmp_path):
    (tmp_path / "file").touch()
    check_place(tmp_path / "new" / "deep" / "a.txt", "--out")
    check_place(tmp_path / "new", "--out", folder=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is made"
    for path, folder in ((tmp_path / "file" / "a", False), (tmp_path / "file", True), (tmp_path / "file" / "b", True)):
        with pytest.raises(UsageError, match=r"^--out: .*cannot be written to .*file is not a folder"):
            check_place(path, "--out", folder)
    with pytest.raises(UsageError, match="is a folder; name the file"):
        check_place(tmp_path, "--out")
