"""What a run says of its data."""

from __future__ import annotations

import json
from types import SimpleNamespace

from facedeblur.training.run_files import describe_data, plans_of
from facedeblur.training.run_folder import RunFolder


class Report:
    """Of one split, with one video that was skipped."""

    skipped = (("broken.mp4", "empty file"),)

    def to_dict(self):
        return {"manifest": "0123abcd", "videos": 2}


def test_skipped_videos_are_named_by_every_run_and_once_in_each(tmp_path, capsys):
    corpus = SimpleNamespace(reports={"train": Report()})
    for name in ("first", "second"):  # two jobs of a multirun in one process
        describe_data(RunFolder(tmp_path / name), corpus, ())
        assert capsys.readouterr().err == "skipped broken.mp4: empty file\n"
    describe_data(RunFolder(tmp_path / "stage"), corpus, ["broken.mp4"])  # its run has named it
    assert capsys.readouterr().err == ""


def test_the_names_of_the_plans_are_kept_for_a_resumption(tmp_path):
    folder = RunFolder(tmp_path)
    assert plans_of(folder) == {}
    describe_data(folder, SimpleNamespace(reports={"train": Report(), "val": Report()}), ["broken.mp4"])
    assert json.loads((tmp_path / "data.json").read_text())["train"] == Report().to_dict()
    assert plans_of(folder) == {"train": "0123abcd", "val": "0123abcd"}
