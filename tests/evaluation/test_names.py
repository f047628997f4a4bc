from __future__ import annotations

import os

import pytest

from facedeblur.evaluation.names import file_name


@pytest.mark.parametrize("name", ["final", "final-s0", "vid.avi", "Ann_A", "a+b", "王伟", "Łukasz", "00001"])
def test_a_name_that_can_stay_stays(name):
    assert file_name(name) == name


def test_no_two_names_share_a_file(tmp_path):
    names = ["a b", "a-b", "a/b", "a  b", "-a-b", "a-b.", "?", "!", ".", "..", "", "-", "王 伟", "王伟", "李 娜",
             "a[b]", "a\x00b", os.fsdecode(b"a\xffb"), "e\u0301", "\u00e9"]  # fmt: skip
    names += ["伟" * 200, "伟" * 201, "a" * 300]  # a method that is called by its path may be long
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names)
    for file in files:
        (tmp_path / file).write_text("x")  # one part of a path, and a legal one
        assert len(file.encode()) < 140 and not file.startswith(".") and "[" not in file
    assert len(list(tmp_path.iterdir())) == len(names)
