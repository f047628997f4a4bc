"""Bad videos are skipped, named and counted; no usable video is one clear line."""

from __future__ import annotations

import json
import shutil

import pytest

from facedeblur.data.demo import DemoSettings, render_demo

pytestmark = pytest.mark.system


@pytest.fixture(scope="session")
def clips(cache):
    return render_demo(cache / "demo", DemoSettings(identities=3, val_identities=1, frames=40), jobs=2)


def test_bad_files_are_skipped_and_training_goes_on(facedeblur, tmp_path, clips):
    folder = tmp_path / "clips with a blank"
    shutil.copytree(clips, folder)
    person = next((folder / "train").iterdir())
    (person / "empty.mp4").write_bytes(b"")
    (person / "text.mp4").write_text("not a video")
    whole = next(person.glob("*.mp4")).read_bytes()
    (person / "truncated.mp4").write_bytes(whole[: len(whole) // 3])
    done = facedeblur(
        "train",
        "experiment=identity_nohg",
        "data=clips",
        f"data.root='{folder}'",
        "trainer.max_steps=2",
    )
    run = tmp_path / "outputs" / "identity_nohg" / "clips-s0"
    skipped = dict(json.loads((run / "data.json").read_text())["train"]["skipped"])
    assert {path.rsplit("/", 1)[1] for path in skipped} >= {"empty.mp4", "text.mp4"}
    for name in ("empty.mp4", "text.mp4"):
        (line,) = [line for line in done.stderr.splitlines() if name in line and line.startswith("skipped ")]
        assert ":" in line
    assert json.loads((run / "summary.json").read_text())["skipped_videos"]["train"] == len(skipped)


def test_no_usable_video_is_one_line(facedeblur, tmp_path):
    folder = tmp_path / "clips"
    for split, person in (("train", "a"), ("val", "b")):
        (folder / split / person).mkdir(parents=True)
        (folder / split / person / "x.mp4").write_text("nothing")
    done = facedeblur("train", "experiment=identity_nohg", "data=clips", f"data.root={folder}", status=2)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1 and "clips" in errors[0] and "no usable video" in errors[0]


def test_an_empty_folder_is_one_line(facedeblur, tmp_path):
    (tmp_path / "nothing").mkdir()
    done = facedeblur("train", "data=clips", f"data.root={tmp_path / 'nothing'}", status=2)
    assert "nothing" in done.stderr and len(done.stderr.strip().splitlines()) <= 2
