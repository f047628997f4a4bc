"""Keys under which runs find one another's work: whoever changes one makes every user render, track and train anew.

The values were written down once and hold for good; a new setting at its default must not change them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facedeblur.blur.schedule import named_schedule
from facedeblur.data.corpora import Clip
from facedeblur.data.demo import DemoSettings
from facedeblur.data.plans.plan import Plan
from facedeblur.data.prepare.job import Preparation
from facedeblur.data.prepare.settings import PrepareSettings
from facedeblur.data.prepare.video_windows import WindowTask
from facedeblur.data.settings import plans_mark
from facedeblur.evaluation.testset import Case, window_key
from facedeblur.files import write_json
from facedeblur.training.cache_keys import KEY_FILE, finished_stage, hourglass_key
from facedeblur.training.settings import run_settings
from facedeblur.video.index import VideoInfo

CONFIGURATIONS = {
    "final at demo": [],
    "no_identity at small": ["experiment=no_identity", "scale=small"],
    "final at paper": ["scale=paper", "data=clips", "data.root=."],
    "a mixture": ["data=mixture", "+data.corpora.mine={kind: clips, root: .}", "blur=vla_pravg_trajectory"],
    "other windows": ["prepare.faces=all", "prepare.min_sharpness=20", "model.hourglass_stacks=2"],
}
HOURGLASS = {
    "final at demo": "a2189bbc1979",
    "no_identity at small": "45596af46334",
    "final at paper": "3a03f89483d6",
    "a mixture": "43c82ee2b024",
    "other windows": "b5b857cef13c",
}
MARKS = {
    "final at demo": "359117115e20",
    "no_identity at small": "500f53378d59",
    "final at paper": "091c62e24c40",
    "a mixture": "b06ae52ac08a",
    "other windows": "667103ece192",
}
SCHEDULES = {
    "pravg7": "6ebbe3d8154bfa8b",
    "pravg21": "e685817b76baa7c3",
    "vla": "c8f680871e05ad59",
    "trajectory": "8d7471ffc9639245",
    "camera_shake": "bcd0849a0e5cbbbd",
}


@pytest.fixture
def settings(compose):
    def composed(name):
        return run_settings(compose(*CONFIGURATIONS[name], "data.cache=/cache", "hourglass.data.cache=/cache"))

    return composed


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_key_of_the_hourglass_stage(settings, name):
    assert hourglass_key(settings(name)) == HOURGLASS[name]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_mark_of_a_planned_corpus(settings, name):
    run = settings(name)
    mark = plans_mark(run.data, run.blur, run.prepare)
    assert mark == Path("/cache/shared") / MARKS[name]


@pytest.mark.parametrize("name, key", SCHEDULES.items())
def test_fingerprint_of_a_schedule(name, key):
    assert named_schedule(name).fingerprint() == key


def test_folder_of_the_rendered_demo():
    assert DemoSettings().folder == "demo-89f38ae69203"


def test_name_of_the_plan_of_clips():
    clips = (Clip("/videos/a.mp4", "clips", "anna", "train"), Clip("/videos/b.mp4", "clips", "ben", "train"))
    job = Preparation(clips, (named_schedule("pravg7"), named_schedule("vla")), Path("/cache"), reverse=True)
    assert job.manifest() == "2bc40b23848a3f3306cd2c4e2eb52c65"
    other = Preparation(clips, (named_schedule("vla"),), Path("/cache"), settings=PrepareSettings(faces="all"))
    assert other.manifest() == "6f2789f37ea292ed9ebf322be9f1fb01"


def test_name_of_the_windows_of_a_video():
    info = VideoInfo("/videos/a.mp4", 40, 64, 48, 25.0, backend="pyav", fingerprint="f" * 24)
    schedules, tracks = [named_schedule("vla")], Path("/cache/tracks/t.npz")
    task = WindowTask.of(info, tracks, schedules, False, PrepareSettings(), Path("/cache"))
    assert task.target == Path("/cache/windows/99ac297ed9f5442f8caad7968e2a16eb.parquet")


def test_name_of_a_plan_and_of_its_pairs():
    columns = {"corpus": "A", "identity": "p", "split": "train", "video": "clip.mp4", "backend": "pyav"}
    columns |= {"content": f"{1:024x}", "schedule": "pravg7", "response": "identity", "start": 7, "length": 7}
    columns |= {"reverse": False, "kernel_seed": -1, "x": -3, "y": 5, "side": 100, "psnr": 30.5, "ssim": 0.9}
    columns |= {"shot": 0, "stop": "length", "landmarks": np.arange(136).reshape(68, 2)}
    plan = Plan.from_rows([columns])
    assert plan.fingerprint() == "f6807193aaa6582c"
    assert plan.fingerprint(measured=True, salt=named_schedule("pravg7").fingerprint()) == "5817ee006aac9ee8"


def test_name_of_an_evaluated_window():
    assert window_key(Case("demo", "A", "person_1", "pravg7", "val/person_1/clip.mp4", 11, 7)) == "32f2deb3a70e"


@pytest.mark.parametrize(("state", "marked", "shared"), [
    ("done", True, True), ("stopped", True, True), ("stopped", False, False), ("interrupted", True, False),
])  # fmt: skip
def test_a_stage_is_shared_once_it_is_what_its_key_asks_for(tmp_path, state, marked, shared):
    """The stage's own minutes are part of the key; a run's limit leaves no key behind."""
    (tmp_path / "any name").mkdir()
    write_json(tmp_path / "any name" / "status.json", {"state": state})
    if marked:
        (tmp_path / "any name" / KEY_FILE).write_text("0123")
    assert finished_stage(tmp_path, "0123") == (tmp_path / "any name" if shared else None)
    assert finished_stage(tmp_path, "4567") is None
