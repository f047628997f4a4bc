"""Writing all of a file or nothing."""

from __future__ import annotations

import os

import pytest

from facedeblur.files import shown, write_atomic


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
