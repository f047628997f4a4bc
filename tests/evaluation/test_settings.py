"""From the words of a command line to settings, with errors that name the key."""

from __future__ import annotations

import pytest

from facedeblur.data.corpora.settings import KINDS
from facedeblur.errors import UsageError
from facedeblur.evaluation.settings import evaluation_settings
from facedeblur.overrides import as_plain, compose_config, conf_dir, listed


def settings_of(*words):
    return evaluation_settings(as_plain(compose_config([listed(word) for word in words], "evaluate")))


def test_the_default_is_the_demo_corpus_under_the_papers_seven_blurs():
    settings = settings_of()
    assert settings.blurs == ("pravg7", "pravg9", "pravg11", "pravg15", "pravg21", "vla", "trajectory")
    assert settings.methods == () and settings.data.corpus is None and settings.judge.localizer == "dlib"
    assert str(settings.folder) == "outputs/evaluation/demo"
    assert all(schedule.stride is None for schedule in settings.schedules())  # windows do not overlap


def test_every_corpus_is_a_test_set(tmp_path):
    options = {path.stem for path in (conf_dir() / "data").glob("*.yaml")}
    assert set(KINDS) < options
    for kind in KINDS:
        settings = settings_of(f"data={kind}", f"data.root={tmp_path}")
        assert settings.data.corpus.kind == kind and settings.data.corpus.root == str(tmp_path)
        assert settings.data.corpus.val_fraction == 0 and settings.name == settings.data.name
    with pytest.raises(UsageError, match=r"data.root: the folder of vw300 is missing.*vid\.avi"):
        settings_of("data=vw300")


@pytest.mark.parametrize(
    ("word", "override"),
    [
        ("method=a,b", 'methods=["a","b"]'),
        ("method=ours (x)=/my runs/a-s0, b.py:Class", 'methods=["ours (x)=/my runs/a-s0","b.py:Class"]'),
        ("blur=vla", 'blurs=["vla"]'),
        ("blur=[vla,pravg7]", "blurs=[vla,pravg7]"),
        ("name=x", "name=x"),
        ("output=/my outputs", 'output="/my outputs"'),
    ],
)  # fmt: skip
def test_commas_and_blanks_in_lists_of_methods(word, override):
    assert listed(word) == override


def test_methods_keep_their_paths():
    settings = settings_of("method=ours=/my runs/final/demo-s0,x.py:Y", "blur=pravg7,camera_shake")
    assert settings.methods == ("ours=/my runs/final/demo-s0", "x.py:Y") and settings.blurs == (
        "pravg7",
        "camera_shake",
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("blur=pravg8", "an odd number of frames, got 8"),
        ("blur=blurry", "blur: must be one of pravg7"),
        ("blur=vla,vla", "blur: must be schedules of distinct names"),
        ("size=100", "size: must be a multiple of 128"),
        ("judge.box=mine", "judge.box: must be detect or truth"),
        ("split=mine", "split: must be one of auto"),
        ("jobs=-1", "jobs: must be auto or a whole number of at least 0"),
        ("images=0", "images: must be null or a whole number of at least 1"),
        ("judge.localiser=dlib", "did you mean judge.localizer"),
    ],
)
def test_what_is_wrong_is_named(word, message):
    with pytest.raises(UsageError, match=message) as caught:
        settings_of(word)
    assert "\n" not in str(caught.value)
